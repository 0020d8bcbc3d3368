// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// promptly is how long a call may go on when its context has ended; the race detector and the
// sanitizers on a busy machine get more.
const promptly = 200 * time.Millisecond

// calls is each call of the interface that needs the store.
var calls = map[string]func(ctx context.Context, d *Driver) error{
	"GetContent": func(ctx context.Context, d *Driver) error {
		_, err := d.GetContent(ctx, "/file")
		return err
	},
	"PutContent": func(ctx context.Context, d *Driver) error {
		return d.PutContent(ctx, "/file", []byte("content"))
	},
	"Reader": func(ctx context.Context, d *Driver) error {
		r, err := d.Reader(ctx, "/file", 3)
		if err == nil {
			_, err = r.Read(make([]byte, 10))
			r.Close()
		}
		return err
	},
	"Stat": func(ctx context.Context, d *Driver) error {
		_, err := d.Stat(ctx, "/file")
		return err
	},
	"List": func(ctx context.Context, d *Driver) error {
		_, err := d.List(ctx, "/folder")
		return err
	},
	"Move":   func(ctx context.Context, d *Driver) error { return d.Move(ctx, "/from", "/to") },
	"Delete": func(ctx context.Context, d *Driver) error { return d.Delete(ctx, "/file") },
	"Walk": func(ctx context.Context, d *Driver) error {
		return d.Walk(ctx, "/", func(storagedriver.FileInfo) error { return nil })
	},
	"append": func(ctx context.Context, d *Driver) error {
		_, err := d.Writer(ctx, "/file", true)
		return err
	},
	"Commit": func(ctx context.Context, d *Driver) error {
		w, err := d.Writer(context.Background(), "/file", false)
		if err != nil {
			return err
		}
		if _, err = w.Write([]byte("content")); err == nil {
			err = w.Commit(ctx)
		}
		return err
	},
	"Cancel": func(ctx context.Context, d *Driver) error {
		w, err := d.Writer(context.Background(), "/file", false)
		if err != nil {
			return err
		}
		w.(*writer).abort()
		_, _ = w.Write([]byte("content")) // fails: there may be something that is durable
		return w.Cancel(ctx)
	},
	"Write": func(ctx context.Context, d *Driver) error {
		w, err := d.Writer(ctx, "/file", false)
		for part := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(part) // until the driver has no room for more
		}
		return err
	},
}

// A call that the store does not answer ends with its context, be that canceled or timed out.
func TestContextEnds(t *testing.T) {
	server := startFake(t, emptyBucket)
	params := server.parameters()
	params["memory"] = "64M"
	d := create(t, params)
	server.hang()
	defer server.set(emptyBucket) // so that Close has answers
	const until = 300 * time.Millisecond
	for name, call := range calls {
		for how, begin := range map[string]func() (context.Context, func()){
			"canceled": func() (context.Context, func()) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(until, cancel)
				return ctx, cancel
			},
			"deadline": func() (context.Context, func()) {
				return context.WithTimeout(context.Background(), until)
			},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				ctx, cancel := begin()
				defer cancel()
				start := time.Now()
				err := call(ctx, d)
				took := time.Since(start)
				if err == nil || took < until/2 {
					t.Errorf("after %v: %v", took, err)
				}
				if took > until+promptly*slowness {
					t.Errorf("took %v", took)
				}
				var e storagedriver.Error
				if errors.As(err, &e) {
					err = e.Detail
				}
				want := map[string]error{"canceled": context.Canceled,
					"deadline": context.DeadlineExceeded}[how]
				if !errors.Is(err, want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%T %v", err, err)
				}
			})
		}
	}
}

// A context that has ended already sends nothing, but what Cancel takes away.
func TestContextEnded(t *testing.T) {
	server := startFake(t, emptyBucket)
	d := server.create(t)
	server.count()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, call := range calls {
		if name == "Cancel" {
			continue
		}
		if err := call(ctx, d); err == nil {
			t.Errorf("%s succeeded", name)
		}
	}
	if n := server.count(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Who waits for a turn goes when its context ends, and the turn of a call that ended is free.
func TestCallsAreBounded(t *testing.T) {
	server := startFake(t, emptyBucket)
	params := server.parameters()
	params[paramMaxCalls] = 2
	d := create(t, params)
	server.hang()
	long, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := d.Stat(long, "/file")
			done <- err
		}()
	}
	time.Sleep(100 * time.Millisecond)
	server.count()
	short, cancelShort := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancelShort()
	if _, err := d.Stat(short, "/file"); err == nil || server.count() != 0 {
		t.Errorf("a third call went out: %v", err)
	}
	cancel()
	<-done
	<-done
	server.set(emptyBucket)
	_, err := d.Stat(context.Background(), "/file")
	mustBeMissing(t, err, "/file")
}

// RedirectURL asks nobody.
func TestRedirectURL(t *testing.T) {
	server := startFake(t, emptyBucket)
	d := server.create(t)
	server.count()
	for method, signed := range map[string]bool{"GET": true, "HEAD": true, "PUT": false, "POST": false} {
		r, _ := http.NewRequest(method, "http://registry/v2/", nil)
		url, err := d.RedirectURL(r, "/some/file")
		if err != nil || (url != "") != signed {
			t.Errorf("%s: %q, %v", method, url, err)
		}
		if signed && (!strings.HasPrefix(url, server.URL+"/bucket/some/file?") ||
			!strings.Contains(url, "X-Amz-Expires=1200") || strings.Contains(url, "not-to-be-shown")) {
			t.Errorf("%s: %s", method, url)
		}
	}
	if n := server.count(); n != 0 {
		t.Errorf("%d requests", n)
	}
	for _, params := range []map[string]any{memoryParameters(t), folderParameters(t)} {
		r, _ := http.NewRequest("GET", "http://registry/v2/", nil)
		if url, err := create(t, params).RedirectURL(r, "/file"); url != "" || err != nil {
			t.Errorf("%v: %q, %v", params, url, err)
		}
	}
}
