// SPDX-License-Identifier: Apache-2.0

package cdriver

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"io"
	"time"
	"unsafe"
)

// Readers, writers and lists belong to one goroutine at a time.

// Reader gives the bytes of one version of an object.
type Reader struct {
	c *C.struct_store_reader
	h *handle
}

// OpenReader reads from offset to the end.
func (d *Driver) OpenReader(ctx context.Context, key string, offset int64) (*Reader, error) {
	c, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	r := &Reader{}
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	status := C.store_read_open(d.c.store, c.op(), cKey, nil, C.int64_t(offset), -1, &r.c, nil,
		c.err())
	if status == C.STOW_OK {
		r.h = c.adopt(r.close)
	}
	if err = c.end(status); err != nil {
		return nil, err
	}
	return r, nil
}

// Read is what is ready, without waiting to fill buf; io.EOF at the end.
func (r *Reader) Read(ctx context.Context, buf []byte) (int, error) {
	var n C.size_t
	if len(buf) == 0 {
		return 0, nil
	}
	c, err := r.h.begin(ctx)
	if err != nil {
		return 0, err
	}
	err = c.end(C.store_read(r.c, c.op(), pointer(buf), C.size_t(len(buf)), &n, c.err()))
	if err == nil && n == 0 {
		err = io.EOF
	}
	return int(n), err
}

// Close ends the reader.
func (r *Reader) Close() { r.h.end(r.close) }

func (r *Reader) close() { C.store_read_close(r.c) }

// Writer takes the bytes of an object that is not there before Commit.
type Writer struct {
	c *C.struct_store_writer
	h *handle
}

// OpenWriter begins a write, or goes on with the key's newest unfinished one; offset is how many
// bytes it holds already.
func (d *Driver) OpenWriter(ctx context.Context, key string, resume bool) (*Writer, int64, error) {
	var offset C.int64_t
	c, err := d.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	w := &Writer{}
	put := (*C.struct_stow_put)(C.calloc(1, C.sizeof_struct_stow_put))
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(put))
	defer C.free(unsafe.Pointer(cKey))
	put.size = C.sizeof_struct_stow_put
	put.length = -1
	if resume {
		put.flags = C.STOW_PUT_RESUME
	}
	status := C.store_write_open(d.c.store, c.op(), cKey, put, &w.c, &offset, c.err())
	if status == C.STOW_OK {
		w.h = c.adopt(func() { w.close(closeLimit) })
	}
	if err = c.end(status); err != nil {
		return nil, 0, err
	}
	return w, int64(offset), nil
}

// Write takes all of data or fails; it blocks while the store is slower than the caller.
func (w *Writer) Write(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	c, err := w.h.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(C.store_write(w.c, c.op(), pointer(data), C.size_t(len(data)), c.err()))
}

// Append takes the first length bytes of another object.
func (w *Writer) Append(ctx context.Context, from string, length int64) error {
	c, err := w.h.begin(ctx)
	if err != nil {
		return err
	}
	cFrom := C.CString(from)
	defer C.free(unsafe.Pointer(cFrom))
	return c.end(C.store_write_copy(w.c, c.op(), cFrom, nil, 0, C.int64_t(length), c.err()))
}

// Commit makes the object visible, whole and durable.
func (w *Writer) Commit(ctx context.Context) error {
	c, err := w.h.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(C.store_write_commit(w.c, c.op(), nil, c.err()))
}

// Park makes what was written durable, to be gone on with by the key.
func (w *Writer) Park(ctx context.Context) error {
	var n C.size_t
	state := make([]byte, 512)
	c, err := w.h.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(C.store_write_park(w.c, c.op(), pointer(state), C.size_t(len(state)), &n, c.err()))
}

// closeLimit is for writers that are open when the driver is closed.
const closeLimit = 10 * time.Second

// Close ends the writer.  What was neither committed nor parked is taken away, within limit.
func (w *Writer) Close(limit time.Duration) { w.h.end(func() { w.close(limit) }) }

func (w *Writer) close(limit time.Duration) {
	c := C.shim_call_new(C.int64_t(limit))
	if c == nil {
		C.store_write_close(w.c, nil)
		return
	}
	C.store_write_close(w.c, &c.op)
	C.shim_call_free(c)
}

// Entry is one key of a listing.
type Entry struct {
	Key      string // of a folder it ends with '/'
	Size     int64
	ModTime  time.Time
	IsFolder bool
}

// Lister gives keys in byte order.
type Lister struct {
	c *C.struct_store_list
	h *handle
}

// OpenList lists the keys with that prefix that sort after after; with folders, those that go on
// with a '/' after the prefix are one entry.
func (d *Driver) OpenList(ctx context.Context, prefix, after string, folders bool) (*Lister, error) {
	c, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	l := &Lister{}
	cPrefix, cAfter := C.CString(prefix), C.CString(after)
	defer C.free(unsafe.Pointer(cPrefix))
	defer C.free(unsafe.Pointer(cAfter))
	flags := C.uint32_t(0)
	if folders {
		flags = C.STOW_LIST_FOLDERS
	}
	status := C.store_list_open(d.c.store, c.op(), cPrefix, cAfter, flags, &l.c, c.err())
	if status == C.STOW_OK {
		l.h = c.adopt(l.close)
	}
	if err = c.end(status); err != nil {
		return nil, err
	}
	return l, nil
}

// Next is io.EOF at the end.
func (l *Lister) Next(ctx context.Context) (Entry, error) {
	var e C.struct_stow_entry
	c, err := l.h.begin(ctx)
	if err != nil {
		return Entry{}, err
	}
	var entry Entry
	r := C.store_list_next(l.c, c.op(), &e, c.err())
	if r == C.STOW_OK { // the key is the list's, which lives as long as the call
		entry = Entry{Key: C.GoString(e.key), Size: int64(e.size),
			ModTime: time.Unix(0, int64(e.mtime_ns)), IsFolder: e.is_folder != 0}
	}
	err = c.end(r)
	if r == C.STOW_ENOTFOUND {
		err = io.EOF
	}
	return entry, err
}

// Close ends the listing; one that never was is no harm.
func (l *Lister) Close() {
	if l != nil {
		l.h.end(l.close)
	}
}

func (l *Lister) close() { C.store_list_close(l.c) }
