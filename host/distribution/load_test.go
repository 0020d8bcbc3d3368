// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// driverFile is the shared object of a driver that is in order.
func driverFile(t *testing.T, name string) string {
	folder := os.Getenv(envDriverPath)
	if folder == "" {
		t.Skipf("%s is not set", envDriverPath)
	}
	return filepath.Join(folder, name+".so")
}

// copyDriver makes a folder with a copy of a driver, of at most so many bytes.
func copyDriver(t *testing.T, name string, most int) (folder string) {
	data, err := os.ReadFile(driverFile(t, name))
	must(t, err)
	folder = t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, name+".so"), data[:min(most, len(data))], 0o755))
	return folder
}

// mustNotOpen wants one line that names the file.
func mustNotOpen(t *testing.T, params map[string]any, name string) {
	t.Helper()
	d, err := New(context.Background(), params)
	if err == nil {
		d.Close()
		t.Error("it was opened")
	} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
}

func TestForeignFiles(t *testing.T) {
	whole, err := os.ReadFile(driverFile(t, "memory"))
	must(t, err)
	program, err := os.Executable()
	must(t, err)
	folder := t.TempDir()
	file := filepath.Join(folder, "memory.so")
	open := map[string]any{paramDriver: "memory", paramDriverPath: folder}

	mustNotOpen(t, open, folder) // no file
	for _, length := range []int{0, 3, 64, 1000, 4096, len(whole) / 4, len(whole) / 2} {
		must(t, os.WriteFile(file, whole[:length], 0o755))
		mustNotOpen(t, open, file)
	}
	must(t, os.WriteFile(file, []byte("#!/bin/sh\necho no driver\n"), 0o755))
	mustNotOpen(t, open, file)
	must(t, os.Remove(file))
	must(t, os.Symlink(program, file)) // ELF, but no library
	mustNotOpen(t, open, file)
	must(t, os.Remove(file))
	must(t, os.Mkdir(file, 0o755))
	mustNotOpen(t, open, folder)
	must(t, os.Remove(file))
	must(t, os.WriteFile(file, whole, 0o755))
	create(t, open)
}

// A driver that is wrong is not opened; one that talks nonsense makes calls fail, or does no harm.
func TestBrokenDrivers(t *testing.T) {
	folder := os.Getenv("STOWAGE_BROKEN_DRIVERS")
	files, _ := filepath.Glob(filepath.Join(folder, "*.so"))
	if folder == "" || len(files) == 0 {
		t.Skip("STOWAGE_BROKEN_DRIVERS is not set, or a folder without drivers")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".so")
		t.Run(name, func(t *testing.T) {
			params := map[string]any{paramDriver: name, paramDriverPath: file}
			if !strings.HasPrefix(name, "nonsense-") {
				mustNotOpen(t, params, name)
				return
			}
			d, err := New(context.Background(), params)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
				return
			}
			defer d.Close()
			for _, call := range calls {
				tryNonsense(t, d, call)
			}
		})
	}
}

func tryNonsense(t *testing.T, d *Driver, call func(context.Context, *Driver) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := call(ctx, d)
	var e storagedriver.Error
	if errors.As(err, &e) && (e.Detail == nil || strings.Contains(e.Detail.Error(), "\n")) {
		t.Errorf("%v", err)
	}
}

// One driver twice, and a copy of it, which stands for another version, have nothing in common; one
// ends and the others go on.
func TestLoadedTwice(t *testing.T) {
	for _, name := range []string{"memory", "s3"} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			open := func(folder string) *Driver {
				params := map[string]any{paramDriver: name}
				if name == "s3" {
					params = startFake(t, newBucket()).parameters()
				}
				if folder != "" {
					params[paramDriverPath] = folder
				}
				return create(t, params)
			}
			all := []*Driver{open(""), open(""), open(copyDriver(t, name, 1<<30)),
				open(copyDriver(t, name, 1<<30))}
			for i, d := range all {
				must(t, d.PutContent(ctx, "/file", []byte{byte(i)}))
			}
			for i, d := range all {
				mustHold(t, d, "/file", string([]byte{byte(i)}))
				d.Close()
				for _, other := range all[i+1:] {
					if _, err := other.Stat(ctx, "/file"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// Drivers of other minors of the ABI, built apart, beside those of today.
func TestOtherVersions(t *testing.T) {
	folder := filepath.Join(os.Getenv("STOWAGE_BROKEN_DRIVERS"), "..", "drivers")
	today := create(t, memoryParameters(t))
	for _, name := range []string{"older", "newer"} {
		if _, err := os.Stat(filepath.Join(folder, name+".so")); err != nil {
			t.Skip("make tests builds them")
		}
		d := create(t, map[string]any{paramDriver: name, paramDriverPath: folder})
		ctx := context.Background()
		must(t, today.PutContent(ctx, "/file", []byte("of today")))
		must(t, d.PutContent(ctx, "/file", []byte(name)))
		mustHold(t, d, "/file", name)
		mustHold(t, today, "/file", "of today")
	}
}
