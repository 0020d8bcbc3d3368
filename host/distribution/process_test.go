// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"syscall"
	"testing"
	"time"

	"stowage/host/distribution/internal/cdriver"
)

// newBucket answers for objects, small ones and without listings.
func newBucket() http.HandlerFunc {
	var mu sync.Mutex
	objects := map[string][]byte{}
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		data, found := objects[r.URL.Path]
		switch {
		case r.Method == http.MethodPut:
			objects[r.URL.Path], _ = io.ReadAll(r.Body)
			w.Header().Set("ETag", `"etag"`)
		case r.Method == http.MethodDelete:
			delete(objects, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		case found:
			w.Header().Set("ETag", `"etag"`)
			http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(data))
		default:
			emptyBucket(w, r)
		}
	}
}

// work is one of each kind of call that leaves nothing behind.
func work(d *Driver, number int) error {
	ctx := context.Background()
	path := fmt.Sprintf("/folder/file%d", number%10)
	content := bytes.Repeat([]byte{byte(number)}, 3000)
	if err := d.PutContent(ctx, path, content); err != nil {
		return err
	}
	w, err := d.Writer(ctx, path, false)
	if err != nil {
		return err
	}
	if _, err = w.Write(content); err == nil {
		err = w.Commit(ctx)
	}
	if err2 := w.Close(); err != nil || err2 != nil {
		return fmt.Errorf("%v, %v", err, err2)
	}
	if got, err := d.GetContent(ctx, path); err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("%d bytes, %v", len(got), err)
	}
	r, err := d.Reader(ctx, path, 1000)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	_ = r.Close()
	if err != nil || !bytes.Equal(got, content[1000:]) {
		return fmt.Errorf("%d bytes from 1000, %v", len(got), err)
	}
	if _, err = d.Stat(ctx, path+"missing"); err == nil {
		return fmt.Errorf("%smissing is there", path)
	}
	_, err = d.List(ctx, "/")
	return err
}

const workCalls = 6

// workers works in many goroutines until the function it returns is called.
func workers(t *testing.T, d *Driver) (stop func()) {
	var all sync.WaitGroup
	end := make(chan struct{})
	for g := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := g; ; i += 8 { // a path is one goroutine's
				select {
				case <-end:
					return
				default:
				}
				if err := work(d, g); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	return func() {
		close(end)
		all.Wait()
	}
}

func eachLocal(t *testing.T, test func(t *testing.T, params map[string]any)) {
	t.Run("memory", func(t *testing.T) { test(t, memoryParameters(t)) })
	t.Run("filesystem", func(t *testing.T) { test(t, folderParameters(t)) })
	t.Run("s3", func(t *testing.T) {
		params := startFake(t, newBucket()).parameters()
		params["maxretries"] = 5
		test(t, params)
	})
}

// Signals go to Go, wherever they arrive, and disturb no call.
func TestSignals(t *testing.T) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGURG, syscall.SIGPROF,
		syscall.SIGHUP, syscall.SIGPIPE}
	eachLocal(t, func(t *testing.T, params map[string]any) {
		seen := map[os.Signal]chan os.Signal{}
		for _, s := range signals {
			seen[s] = make(chan os.Signal, 1)
			signal.Notify(seen[s], s)
			defer signal.Stop(seen[s])
		}
		d := create(t, params)
		stop := workers(t, d)
		defer stop()
		for range 50 {
			for _, s := range signals {
				must(t, syscall.Kill(os.Getpid(), s.(syscall.Signal)))
			}
			time.Sleep(2 * time.Millisecond)
		}
		for _, s := range signals {
			if s == syscall.SIGPROF { // Go's profiler keeps it for itself
				continue
			}
			select {
			case <-seen[s]:
			case <-time.After(5 * time.Second):
				t.Errorf("%v did not arrive", s)
			}
		}
	})
}

// The profiler's signals interrupt calls in C.
func TestProfile(t *testing.T) {
	eachLocal(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		must(t, pprof.StartCPUProfile(io.Discard))
		defer pprof.StopCPUProfile()
		stop := workers(t, d)
		time.Sleep(300 * time.Millisecond)
		stop()
	})
}

// sockets is how many a program that is started now gets: those that were not opened to be closed.
func sockets(t *testing.T) int {
	out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bytes.Count(out, []byte("socket:"))
}

// The host starts programs while calls are under way, and they get no connection of the driver's.
// The pair by which libcurl wakes a thread, which it does not let us make, is none.
func TestFork(t *testing.T) {
	eachLocal(t, func(t *testing.T, params map[string]any) {
		before := sockets(t)
		if params[paramDriver] == "s3" {
			params["iothreads"] = 1
			before += 2
		}
		d := create(t, params)
		stop := workers(t, d)
		defer stop()
		for range 20 {
			if n := sockets(t); n > before {
				t.Errorf("a program got %d sockets of %d", n, before)
			}
		}
	})
}

// The driver's TLS and Go's, as client and server, in one process.
func TestBesideGoTLS(t *testing.T) {
	server := httptest.NewTLSServer(newBucket())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: server.Certificate().Raw}), 0o600))
	params := (&fake{Server: server}).parameters()
	params["cafile"] = file
	d := create(t, params)
	stop := workers(t, d)
	for range 50 {
		r, err := server.Client().Get(server.URL + "/bucket/folder/other")
		must(t, err)
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	stop()
	delete(params, "cafile")
	untrusted, err := New(context.Background(), params)
	if err == nil { // a store that is away
		_, err = untrusted.Stat(context.Background(), "/file")
		untrusted.Close()
	}
	if err == nil {
		t.Error("a certificate of nobody was trusted")
	}
}

func threads(t *testing.T) int {
	tasks, err := os.ReadDir("/proc/self/task")
	must(t, err)
	return len(tasks)
}

// After Close no thread of the driver is left.  Go's own may come while it goes on, but not one for
// each time.
func TestThreadsEnd(t *testing.T) {
	eachLocal(t, func(t *testing.T, params map[string]any) {
		const times = 30
		round := func() {
			d, err := New(context.Background(), params)
			must(t, err)
			must(t, work(d, 1))
			d.Close()
		}
		round()
		before := threads(t)
		for range times {
			round()
		}
		if after := threads(t); after >= before+times/2 {
			t.Errorf("%d threads, then %d", before, after)
		}
	})
}

// Ten thousand calls leave nothing behind: neither a string of a call nor what it answered.
func TestMemoryDoesNotGrow(t *testing.T) {
	if slowness > 1 {
		t.Skip("the race detector and the sanitizers take memory of their own")
	}
	const total, most = 10_000, 64 << 10
	eachLocal(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		some := func(n int) {
			for i := range n / workCalls {
				must(t, work(d, i))
			}
		}
		some(total / 5)
		before := cdriver.Allocated()
		some(total)
		if grown := cdriver.Allocated() - before; grown > most {
			t.Errorf("%d bytes more than before", grown)
		}
	})
}

// What is passed between Go and C is what the rules of cgo allow.
func TestUnderCgocheck(t *testing.T) {
	program, err := os.Executable()
	must(t, err)
	run := exec.Command(program, "-test.run",
		"^(TestReader|TestOffsets|TestWalk|TestDelete|TestAppend|TestWriterEnds|TestMissing)")
	run.Env = append(os.Environ(), "GODEBUG=cgocheck=1", "GOGC=20")
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
