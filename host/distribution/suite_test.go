// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"
)

const s3Prefix = "STOWAGE_S3_"

// s3Parameters are those of the environment, STOWAGE_S3_BUCKET and so on, with a root of their own;
// nil where there are none.
func s3Parameters(t testing.TB) map[string]any {
	params := map[string]any{}
	for _, line := range os.Environ() {
		name, value, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, s3Prefix) {
			params[strings.ToLower(strings.TrimPrefix(name, s3Prefix))] = value
		}
	}
	if params["bucket"] == nil {
		return nil
	}
	params[paramDriver] = "s3"
	params["rootdirectory"] = fmt.Sprintf("%s-%d", t.Name(), time.Now().UnixNano())
	return params
}

func needS3(t testing.TB) map[string]any {
	params := s3Parameters(t)
	if params == nil {
		t.Skipf("%sBUCKET and its kin are not set", s3Prefix)
	}
	return params
}

func folderParameters(t testing.TB) map[string]any {
	return map[string]any{paramDriver: "filesystem", "rootdirectory": t.TempDir(), "fsync": false}
}

func memoryParameters(testing.TB) map[string]any {
	return map[string]any{paramDriver: "memory"}
}

// create opens a driver that the test closes.
func create(t testing.TB, params map[string]any) *Driver {
	d, err := New(context.Background(), params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// eachDriver runs a test over every driver that there is.
func eachDriver(t *testing.T, test func(t *testing.T, params map[string]any)) {
	t.Run("memory", func(t *testing.T) { test(t, memoryParameters(t)) })
	t.Run("filesystem", func(t *testing.T) { test(t, folderParameters(t)) })
	t.Run("s3", func(t *testing.T) { test(t, needS3(t)) })
}

// runSuite runs no two suites side by side: upstream's tests share one buffer of random bytes, and
// some of them append to slices of it, so that what the others compare would differ.
func runSuite(t *testing.T, params map[string]any) {
	d := create(t, params)
	testsuites.Driver(t, func() (storagedriver.StorageDriver, error) { return d, nil }, false)
}

// TestSuiteMemory is always -short: without the stream of 5 GiB, which would lie in memory, and with
// 8 streams of 8 MiB and 10 MiB read side by side, where the others have 32 of 32 MiB and 128 MiB.
func TestSuiteMemory(t *testing.T) {
	if testing.Short() {
		runSuite(t, memoryParameters(t))
		return
	}
	short := flag.Lookup("test.short").Value
	before := short.String()
	defer func() { must(t, short.Set(before)) }()
	must(t, short.Set("true"))
	d := create(t, memoryParameters(t))
	testsuites.Driver(t, func() (storagedriver.StorageDriver, error) { return d, nil }, false)
}

func TestSuiteFilesystem(t *testing.T) { runSuite(t, folderParameters(t)) }
func TestSuiteS3(t *testing.T)         { runSuite(t, needS3(t)) }
