// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

func openWriter(t *testing.T, d *Driver, path string, append bool) storagedriver.FileWriter {
	t.Helper()
	w, err := d.Writer(context.Background(), path, append)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, w storagedriver.FileWriter, text string) {
	t.Helper()
	before := w.Size()
	if n, err := w.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("%d, %v", n, err)
	}
	if w.Size() != before+int64(len(text)) {
		t.Errorf("size %d after %d and %d bytes", w.Size(), before, len(text))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustHold(t *testing.T, d *Driver, path, want string) {
	t.Helper()
	data, err := d.GetContent(context.Background(), path)
	if err != nil || string(data) != want {
		t.Errorf("%s: %d bytes, %v", path, len(data), err)
	}
}

func removeLater(t *testing.T, d *Driver, path string) {
	t.Cleanup(func() { _ = d.Delete(context.Background(), path) })
}

// An unfinished write is gone on with by another instance, as after a restart; the size is exact
// each time, however small the pieces.
func TestAppendAfterRestart(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		first := create(t, params)
		second := first // what memory holds ends with its instance
		if params[paramDriver] != "memory" {
			second = create(t, maps.Clone(params))
		}
		removeLater(t, first, "/file")
		want := ""
		pieces := []string{"", "abc", strings.Repeat("x", 6<<20), "d", "", strings.Repeat("y", 11<<20), "e"}
		for i, piece := range pieces {
			d := []*Driver{first, second}[i%2]
			w := openWriter(t, d, "/file", i > 0)
			if w.Size() != int64(len(want)) {
				t.Fatalf("piece %d: size %d, %d were written", i, w.Size(), len(want))
			}
			if piece != "" {
				write(t, w, piece)
			}
			want += piece
			must(t, w.Close())
			_, err := d.GetContent(context.Background(), "/file")
			mustBeMissing(t, err, "/file")
		}
		w := openWriter(t, first, "/file", true)
		must(t, w.Commit(context.Background()))
		must(t, w.Close())
		mustHold(t, second, "/file", want)
	})
}

// What was committed is appended to by copying.
func TestAppendToObject(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		for path, before := range map[string]string{"/empty": "", "/small": "small",
			"/big": strings.Repeat("big", 4<<20)} {
			removeLater(t, d, path)
			must(t, d.PutContent(ctx, path, []byte(before)))
			w := openWriter(t, d, path, true)
			if w.Size() != int64(len(before)) {
				t.Errorf("%s: size %d", path, w.Size())
			}
			write(t, w, "and more")
			mustHold(t, d, path, before)
			must(t, w.Commit(ctx))
			must(t, w.Close())
			mustHold(t, d, path, before+"and more")
		}
	})
}

func TestWriterEnds(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		removeLater(t, d, "/file")

		w := openWriter(t, d, "/file", false)
		write(t, w, "something")
		must(t, w.Cancel(ctx))
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written after Cancel")
		}
		if err := w.Commit(ctx); err == nil {
			t.Error("committed after Cancel")
		}
		must(t, w.Close())
		_, err := d.Writer(ctx, "/file", true)
		mustBeMissing(t, err, "/file")

		w = openWriter(t, d, "/file", false) // Cancel after Close, as Distribution does it
		write(t, w, "something")
		must(t, w.Close())
		must(t, w.Close())
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written after Close")
		}
		must(t, w.Cancel(ctx))
		_, err = d.Writer(ctx, "/file", true)
		mustBeMissing(t, err, "/file")

		w = openWriter(t, d, "/file", false)
		must(t, w.Commit(ctx)) // of nothing at all
		must(t, w.Close())
		mustHold(t, d, "/file", "")

		w = openWriter(t, d, "/file", false)
		write(t, w, "new")
		must(t, w.Commit(ctx))
		if err := w.Commit(ctx); err == nil {
			t.Error("committed twice")
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written after Commit")
		}
		must(t, w.Close())
		must(t, w.Close())
		mustHold(t, d, "/file", "new")
	})
}

// The client hangs up in the middle of an upload: what came is durable, and is gone on with.
func TestCloseAfterHangUp(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		removeLater(t, d, "/file")
		ctx, cancel := context.WithCancel(context.Background())
		w, err := d.Writer(ctx, "/file", false)
		must(t, err)
		part := bytes.Repeat([]byte("0123456789"), 600_000)
		_, err = w.Write(part)
		must(t, err)
		cancel()
		if n, err := w.Write(part); n != 0 || err == nil {
			t.Errorf("after the end of its context: %d, %v", n, err)
		}
		must(t, w.Close())
		w = openWriter(t, d, "/file", true)
		if w.Size() != int64(len(part)) {
			t.Errorf("%d bytes of %d", w.Size(), len(part))
		}
		write(t, w, "end")
		must(t, w.Commit(context.Background()))
		must(t, w.Close())
		mustHold(t, d, "/file", string(part)+"end")
	})
}

// Writers that nobody closes end with the driver.
func TestCloseWithOpenHandles(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d, err := New(context.Background(), params)
		must(t, err)
		ctx := context.Background()
		must(t, d.PutContent(ctx, "/read", []byte("content")))
		w := openWriter(t, d, "/file", false)
		write(t, w, "something")
		r, err := d.Reader(ctx, "/read", 0)
		must(t, err)
		must(t, d.Delete(ctx, "/read"))
		d.Close()
		d.Close()
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written after the driver's Close")
		}
		if err := w.Close(); err == nil {
			t.Error("parked after the driver's Close")
		}
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Error("read after the driver's Close")
		}
		must(t, r.Close())
		if _, err := d.Stat(ctx, "/file"); err == nil {
			t.Error("a call after Close succeeded")
		}
	})
}

// The background purge takes unfinished writes of Distribution that are old enough, and no others.
func TestPurge(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		const path, other = "/docker/registry/v2/file", "/other/file"
		w := openWriter(t, d, other, false)
		write(t, w, "of another program")
		must(t, w.Close())
		w = openWriter(t, d, path, false)
		write(t, w, "something")
		must(t, w.Close())
		purgeOnce(ctx, d.d.c, defaultPurgeAge)
		w = openWriter(t, d, path, true)
		if w.Size() != 9 {
			t.Errorf("size %d", w.Size())
		}
		must(t, w.Close())
		purgeOnce(ctx, d.d.c, 0)
		_, err := d.Writer(ctx, path, true)
		mustBeMissing(t, err, path)
		w = openWriter(t, d, other, true)
		must(t, w.Cancel(ctx))
	})
}

// A writer that nobody closed, of a request that is over, does not put what it knew over what
// another has made durable since.
func TestOlderWriterComesLate(t *testing.T) {
	d := create(t, needS3(t))
	w := openWriter(t, d, "/late", false)
	write(t, w, "acknowledged")
	must(t, w.Close())
	old, young := openWriter(t, d, "/late", true), openWriter(t, d, "/late", true)
	write(t, old, "xy")
	write(t, young, strings.Repeat("z", 100))
	must(t, young.Close())
	if err := old.Close(); err == nil {
		t.Error("what came later was replaced")
	}
	w = openWriter(t, d, "/late", true)
	if w.Size() != 112 {
		t.Errorf("goes on at %d, not 112", w.Size())
	}
	must(t, w.Cancel(context.Background()))
}

// late is a context whose deadline has passed without a word: what a call in C then fails of.
type late struct{ context.Context }

func (late) Deadline() (time.Time, bool) { return time.Unix(1, 0), true }

// After a call that failed, Close keeps what was durable before, and Cancel takes that away, too.
func TestCancelAfterFailure(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		for _, cancel := range []bool{false, true} {
			w := openWriter(t, d, "/failing", false)
			write(t, w, "before")
			must(t, w.Close())
			w = openWriter(t, d, "/failing", true)
			w.(*writer).calls = late{context.Background()}
			if _, err := w.Write([]byte("more")); err == nil {
				t.Fatal("no failure")
			}
			if cancel {
				must(t, w.Cancel(context.Background()))
			} else {
				_ = w.Close()
			}
			w, err := d.Writer(context.Background(), "/failing", true)
			switch {
			case cancel:
				mustBeMissing(t, err, "/failing")
			case err != nil || w.Size() != 6:
				t.Errorf("%v", err)
			default:
				must(t, w.Cancel(context.Background()))
			}
		}
	})
}

// To the same path nothing is moved, and nothing lost.
func TestMoveToItself(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		ctx := context.Background()
		must(t, d.PutContent(ctx, "/same", []byte("content")))
		must(t, d.Move(ctx, "/same", "/same"))
		mustHold(t, d, "/same", "content")
		mustBeMissing(t, d.Move(ctx, "/none", "/none"), "/none")
		for _, path := range []string{"/a/../b", "/.stowage-tmp/x"} {
			var invalid storagedriver.InvalidPathError
			if err := d.Move(ctx, "/same", path); !errors.As(err, &invalid) || invalid.Path != path {
				t.Errorf("%v", err)
			}
		}
		mustHold(t, d, "/same", "content")
	})
}
