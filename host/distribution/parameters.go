// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"stowage/host/distribution/internal/cdriver"
)

// The parameters of this package.  All others are the driver's options, under their own names.
const (
	paramDriver     = "driver"     // name of the driver: s3, filesystem, memory; required
	paramDriverPath = "driverpath" // folder of the drivers, or the file of one
	paramMaxCalls   = "maxcalls"   // calls in C at once: each holds a thread while it waits
	paramPurgeAge   = "purgeage"   // unfinished writes unchanged for so long are taken away
)

const (
	envDriverPath    = "STOWAGE_DRIVER_PATH"
	defaultMaxCalls  = 256
	mostMaxCalls     = 10000
	defaultPurgeAge  = 7 * 24 * time.Hour
	useragent        = "useragent"
	useragentOfHost  = "distribution/" // what Distribution adds of its own accord begins with
	longestParameter = 64 << 10
)

type parameters struct {
	folder, name string // of the driver
	options      []cdriver.Option
	maxCalls     int
	purgeAge     time.Duration // 0 is never
}

// parse sorts parameters into ours and the driver's.  Whether the driver has such an option, it
// says itself.
func parse(given map[string]any) (parameters, error) {
	p := parameters{maxCalls: defaultMaxCalls, purgeAge: defaultPurgeAge,
		folder: os.Getenv(envDriverPath)}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text, err := parameterText(name, given[name])
		if err == nil {
			err = p.set(name, text, given[name] == nil)
		}
		if err != nil {
			return parameters{}, err
		}
	}
	if p.name == "" {
		return parameters{}, fmt.Errorf("parameter %s is required: s3, filesystem or memory",
			paramDriver)
	}
	return p, p.splitPath()
}

func (p *parameters) set(name, text string, unset bool) error {
	var err error
	switch name {
	case paramDriver:
		p.name = text
	case paramDriverPath:
		p.folder = text
	case paramMaxCalls:
		p.maxCalls, err = strconv.Atoi(text)
		if err != nil || p.maxCalls < 1 || p.maxCalls > mostMaxCalls {
			return fmt.Errorf("parameter %s must be a number from 1 to %d, not %q", name,
				mostMaxCalls, text)
		}
	case paramPurgeAge:
		p.purgeAge, err = time.ParseDuration(text)
		if text == "0" {
			p.purgeAge, err = 0, nil
		}
		if err != nil || p.purgeAge < 0 {
			return fmt.Errorf("parameter %s must be a time such as 168h, or 0 for never, not %q",
				name, text)
		}
	default:
		if !unset {
			p.options = append(p.options, cdriver.Option{Name: name, Value: text})
		}
	}
	return nil
}

// splitPath allows the file itself where a folder is expected, and makes sure that the driver is
// where it was said to be: it must not be another one that the loader finds by itself.
func (p *parameters) splitPath() error {
	if p.folder == "" {
		return nil
	}
	if strings.HasSuffix(p.folder, ".so") {
		file := filepath.Base(p.folder)
		if file != p.name+".so" {
			return fmt.Errorf("parameter %s is the file %s, parameter %s is %s: a driver's file "+
				"is named like it", paramDriverPath, file, paramDriver, p.name)
		}
		p.folder = filepath.Dir(p.folder)
	}
	if !isName(p.name) {
		return nil // the loader says so
	}
	if _, err := os.Stat(filepath.Join(p.folder, p.name+".so")); err != nil {
		return fmt.Errorf("parameter %s or %s: no driver %q, %s: %w", paramDriverPath,
			envDriverPath, p.name, driversIn(p.folder), err)
	}
	return nil
}

// isName tells whether it cannot be a path.
func isName(name string) bool { return !strings.ContainsAny(name, "./") }

// driversIn says which drivers a folder holds.
func driversIn(folder string) string {
	files, _ := filepath.Glob(filepath.Join(folder, "*.so"))
	if len(files) == 0 {
		return "the folder holds none"
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".so")
	}
	return "the folder holds " + strings.Join(files[:min(len(files), 10)], ", ")
}

// hint adds the nearest of our own names to an error that the driver made of a name it does not
// know.
func (p *parameters) hint(err error) error {
	for _, o := range p.options {
		if !strings.Contains(err.Error(), strconv.Quote(o.Name)) {
			continue
		}
		for _, name := range []string{paramDriverPath, paramMaxCalls, paramPurgeAge, paramDriver} {
			if distance(o.Name, name) <= 2 {
				return fmt.Errorf("%w; did you mean %q?", err, name)
			}
		}
	}
	return err
}

// distance is how many letters must be changed, added, dropped or swapped with their neighbour.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// parameterText is the text of what YAML made of a value.
func parameterText(name string, value any) (string, error) {
	var text string
	switch v := value.(type) {
	case nil:
	case string:
		text = v
	case bool, int, int64, uint64, int32, uint32, uint, time.Duration:
		text = fmt.Sprint(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return "", fmt.Errorf("parameter %s must be one value, not %T", name, value)
	}
	if strings.ContainsRune(text, 0) || len(text) > longestParameter {
		return "", fmt.Errorf("parameter %s holds a NUL, or over %d bytes", name, longestParameter)
	}
	return text, nil
}
