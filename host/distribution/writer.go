// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"sync"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"stowage/host/distribution/internal/cdriver"
)

const (
	// parkLimit bounds how long Close may take to make durable what was written.
	parkLimit = 30 * time.Second
	// dropLimit bounds the taking away of what is not wanted.
	dropLimit = 10 * time.Second
	// leaveAlone is how long a writer waits for its Close once the request is over.
	leaveAlone = time.Second
)

var (
	errClosed    = errors.New("the writer is closed")
	errCommitted = errors.New("the writer has been committed")
	errCanceled  = errors.New("the writer has been canceled")
)

// Writer begins an object, or goes on with the unfinished write of that path that was closed last,
// of whatever process.  A path that holds a committed object is appended to by copying it, which
// Distribution leaves undefined where the object is not empty.
func (d *driver) Writer(ctx context.Context, path string, append bool) (storagedriver.FileWriter, error) {
	w := &writer{d: d, path: path, ctx: ctx}
	w.calls, w.abort = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	w.w, w.size, err = d.c.OpenWriter(ctx, keyOf(path), append)
	if append && cdriver.Is(err, cdriver.NotFound) {
		err = w.appendToObject()
	}
	if err != nil {
		w.abort()
		return nil, failure(err, path)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = context.AfterFunc(ctx, w.abandoned)
	return w, nil
}

// abandoned closes a writer whose request is over: Distribution does not close that of an upload
// whose client hung up, and it would hold its memory for ever.
func (w *writer) abandoned() {
	time.Sleep(leaveAlone)
	w.Close()
}

// writer has its calls run to their end even where the request that it serves is canceled: a write
// that fails in the middle could not be gone on with, and what was durable before would be lost.
// Whoever waits for the call leaves at once; Close then waits for it, for a bounded time.
type writer struct {
	mu      sync.Mutex
	stop    func() bool // of abandoned
	d       *driver
	path    string
	ctx     context.Context // of the request
	calls   context.Context // of the calls
	abort   func()          // cancels calls
	w       *cdriver.Writer
	size    int64
	buf     []byte     // what a call under way takes its bytes from
	pending chan error // of a call that was left alone; nil if there is none

	failed                      error
	closed, committed, canceled bool
}

func (w *writer) appendToObject() error {
	st, err := w.d.c.Stat(w.ctx, keyOf(w.path))
	if err != nil {
		return err
	}
	w.w, w.size, err = w.d.c.OpenWriter(w.ctx, keyOf(w.path), false)
	if err != nil || st.Size == 0 {
		return err
	}
	if err = w.w.Append(w.ctx, keyOf(w.path), st.Size); err != nil {
		w.w.Close(dropLimit)
		return err
	}
	w.size = st.Size
	return nil
}

func (w *writer) state() error {
	switch {
	case w.closed:
		return errClosed
	case w.committed:
		return errCommitted
	case w.canceled:
		return errCanceled
	}
	return w.failed
}

// Size is how many bytes have been written.
func (w *writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// Write takes all of p or fails.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.state(); err != nil {
		return 0, err
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	w.buf = append(w.buf[:0], p...)
	done := make(chan error, 1)
	go func() { done <- w.w.Write(w.calls, w.buf) }()
	select {
	case err := <-done:
		return w.wrote(len(p), err)
	case <-w.ctx.Done():
		w.pending = done
		return 0, w.ctx.Err()
	}
}

func (w *writer) wrote(n int, err error) (int, error) {
	if err != nil {
		w.failed = failure(err, w.path)
		return 0, w.failed
	}
	w.size += int64(n)
	return n, nil
}

// settle waits for a call that was left alone, until ctx ends.
func (w *writer) settle(ctx context.Context) {
	if w.pending == nil {
		return
	}
	defer func() { w.pending = nil }()
	select {
	case err := <-w.pending:
		w.wrote(len(w.buf), err)
	case <-ctx.Done():
		w.abort()
		w.wrote(len(w.buf), <-w.pending)
	}
}

// Close makes what was written durable, to be gone on with by Writer; after Commit and Cancel it
// does nothing.
func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	if w.closed {
		return nil
	}
	w.closed = true
	defer w.abort()
	if w.committed || w.canceled {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), parkLimit)
	defer cancel()
	w.settle(ctx)
	err := w.failed
	if err == nil {
		err = failure(w.w.Park(ctx), w.path)
	}
	w.w.Close(dropLimit)
	return err
}

// Cancel takes away what was written; after Close and after a failure, what was made durable before,
// too.  Where the context ends first, it goes on by itself, for a bounded time.
func (w *writer) Cancel(ctx context.Context) error {
	w.mu.Lock()
	w.stop()
	if w.committed || w.canceled {
		w.mu.Unlock()
		return nil
	}
	w.canceled = true
	done := make(chan error, 1)
	go func() {
		defer w.mu.Unlock()
		done <- w.takeAway(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) takeAway(ctx context.Context) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropLimit)
	defer cancel()
	if !w.closed {
		w.settle(ctx)
		w.w.Close(dropLimit)
		w.abort()
		if w.failed == nil {
			return nil
		}
	}
	again, _, err := w.d.c.OpenWriter(limited, keyOf(w.path), true)
	if err == nil {
		again.Close(dropLimit)
	}
	if cdriver.Is(err, cdriver.NotFound) {
		err = nil
	}
	return failure(err, w.path)
}

// Commit makes the object visible.
func (w *writer) Commit(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.state(); err != nil {
		return err
	}
	w.settle(ctx)
	if w.failed != nil {
		return w.failed
	}
	if err := w.w.Commit(ctx); err != nil {
		w.failed = failure(err, w.path)
		return w.failed
	}
	w.committed = true
	w.stop()
	w.w.Close(dropLimit)
	return nil
}
