// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// mustBeMissing: Distribution looks at the type of the value, not behind it.
func mustBeMissing(t *testing.T, err error, path string) {
	t.Helper()
	if e, ok := err.(storagedriver.PathNotFoundError); !ok || e.Path != path ||
		e.DriverName != driverName {
		t.Errorf("%s: %T %v", path, err, err)
	}
}

func TestMissing(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		const path = "/not/there"

		_, err := d.GetContent(ctx, path)
		mustBeMissing(t, err, path)
		_, err = d.Stat(ctx, path)
		mustBeMissing(t, err, path)
		_, err = d.List(ctx, path)
		mustBeMissing(t, err, path)
		for _, offset := range []int64{0, 7} {
			_, err = d.Reader(ctx, path, offset)
			mustBeMissing(t, err, path)
		}
		_, err = d.Writer(ctx, path, true)
		mustBeMissing(t, err, path)
		mustBeMissing(t, d.Delete(ctx, path), path)

		plant(t, d, []string{"/target"})
		mustBeMissing(t, d.Move(ctx, path, "/target"), path)
		if data, err := d.GetContent(ctx, "/target"); err != nil || string(data) != "content of /target" {
			t.Errorf("the target of a move that failed: %q, %v", data, err)
		}
		if info, err := d.Stat(ctx, "/"); err != nil || !info.IsDir() {
			t.Errorf("/: %v, %v", info, err)
		}
	})
}

func TestOffsets(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		plant(t, d, []string{"/file"})
		for offset, want := range map[int64]string{0: "content of /file", 11: "/file", 15: "e",
			16: "", 17: "", 1 << 40: ""} {
			r, err := d.Reader(ctx, "/file", offset)
			if err != nil {
				t.Errorf("from %d: %v", offset, err)
				continue
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != want {
				t.Errorf("from %d: %q, %v", offset, got, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		_, err := d.Reader(ctx, "/file", -1)
		if e, ok := err.(storagedriver.InvalidOffsetError); !ok || e.Offset != -1 {
			t.Errorf("from -1: %T %v", err, err)
		}
	})
}

func TestInvalidPaths(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		for _, path := range []string{"", "no/slash", "/end/", "//", "/a b", "/ä",
			"/" + strings.Repeat("a", 256), strings.Repeat("/abcdefghi", 103)} {
			err := d.PutContent(context.Background(), path, nil)
			if e, ok := err.(storagedriver.InvalidPathError); !ok || e.Path != path {
				t.Errorf("%q: %T %v", path, err, err)
			}
		}
	})
}

// What is nobody's particular error keeps the driver's line.
func TestOtherErrors(t *testing.T) {
	server := startFake(t, answerWith(403, "<Error><Code>AccessDenied</Code>"+
		"<Message>not you</Message><RequestId>REQ1</RequestId></Error>"))
	d := server.create(t)
	server.set(answerWith(403, "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"))
	_, err := d.GetContent(context.Background(), "/file")
	var e storagedriver.Error
	if !errors.As(err, &e) || e.DriverName != driverName ||
		!strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "file") {
		t.Errorf("%T %v", err, err)
	}
}

// A reader ends with its context, and may be closed twice.
func TestReader(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		big := strings.Repeat("0123456789", 100_000)
		if err := d.PutContent(ctx, "/big", []byte(big)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Delete(ctx, "/big") })
		data, err := d.GetContent(ctx, "/big")
		if err != nil || string(data) != big {
			t.Errorf("%d bytes, %v", len(data), err)
		}
		reading, cancel := context.WithCancel(ctx)
		r, err := d.Reader(reading, "/big", 5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		cancel()
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of its context: %v", err)
		}
		if r.Close() != nil || r.Close() != nil {
			t.Error("Close failed")
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("after Close: %d, %v", n, err)
		}
	})
}
