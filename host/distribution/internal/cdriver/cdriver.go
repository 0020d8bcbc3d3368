// SPDX-License-Identifier: Apache-2.0

// Package cdriver opens a Stowage driver, a shared object, and makes its calls from Go.
//
// It promises: the driver's table and every answer are checked before Go sees them; a context's
// deadline and cancellation reach the call; no memory that C frees is held by Go, nor the other
// way round; at most so many calls are in C at once.  It must not know paths or registries.
package cdriver

/*
#cgo CFLAGS: -std=c11 -D_GNU_SOURCE -I${SRCDIR}/../../../../include -I${SRCDIR}/../../../..
#cgo CFLAGS: -O2 -g -fno-common -fvisibility=hidden -Wall
#cgo LDFLAGS: -ldl -lpthread
#include <malloc.h>
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"sync"
	"time"
	"unsafe"
)

// Option is one option of a driver, as text.
type Option struct {
	Name, Value string
}

// Driver is an opened driver.  Its methods may be called by any number of goroutines at once.
type Driver struct {
	c     *C.struct_shim_driver
	log   cgo.Handle
	slots chan struct{}

	mu      sync.Mutex // of what follows
	idle    sync.Cond  // active has become 0
	active  int        // calls under way, in C or waiting for their turn
	handles map[*handle]struct{}
	closed  bool
}

// handle is an open reader, writer or list.
type handle struct {
	d     *Driver
	close func()
}

// Open loads the driver name from folder ("" is where Stowage itself looks) and opens it.  Lines
// for an operator go to log, from any thread, until Close returns.  At most maxCalls calls are in
// C at once, the others wait in Go.
func Open(folder, name string, options []Option, maxCalls int, log LogFunc) (*Driver, error) {
	var e C.struct_stow_error
	d := &Driver{log: cgo.NewHandle(log), slots: make(chan struct{}, maxCalls),
		handles: map[*handle]struct{}{}}
	d.idle.L = &d.mu
	cFolder, cName := C.CString(folder), C.CString(name)
	defer C.free(unsafe.Pointer(cFolder))
	defer C.free(unsafe.Pointer(cName))
	pairs, free := optionPairs(options)
	defer free()

	r := C.shim_open(cFolder, cName, pairs, C.size_t(len(options)), C.uintptr_t(d.log), &d.c, &e)
	if r != C.STOW_OK {
		d.log.Delete()
		return nil, newError(r, &e)
	}
	return d, nil
}

// optionPairs is the options in C memory, and what frees them.
func optionPairs(options []Option) (*C.struct_stow_kv, func()) {
	if len(options) == 0 {
		return nil, func() {}
	}
	memory := C.calloc(C.size_t(len(options)), C.sizeof_struct_stow_kv)
	pairs := unsafe.Slice((*C.struct_stow_kv)(memory), len(options))
	for i, o := range options {
		pairs[i].key = C.CString(o.Name)
		pairs[i].value = C.CString(o.Value)
	}
	return (*C.struct_stow_kv)(memory), func() {
		for i := range pairs {
			C.free(unsafe.Pointer(pairs[i].key))
			C.free(unsafe.Pointer(pairs[i].value))
		}
		C.free(memory)
	}
}

// Close waits for the calls under way, ends what is still open and then the driver.  Calls made
// later fail, but the Close of a handle does no harm.
func (d *Driver) Close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	for d.active > 0 {
		d.idle.Wait()
	}
	left := d.handles
	d.handles = nil
	d.mu.Unlock()
	for h := range left {
		h.close()
	}
	C.shim_close(d.c)
	d.log.Delete()
}

var (
	errClosed       = errors.New("the driver is closed")
	errHandleClosed = errors.New("it is closed already")
)

// enter keeps Close waiting until leave.
func (d *Driver) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.active++
	return nil
}

func (d *Driver) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active--; d.active == 0 {
		d.idle.Broadcast()
	}
}

// adopt makes a handle of what a call that is under way has opened.
func (c *call) adopt(end func()) *handle {
	h := &handle{d: c.d, close: end}
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.d.handles[h] = struct{}{}
	return h
}

// begin is that of a call on the handle, which fails where it has been closed.
func (h *handle) begin(ctx context.Context) (*call, error) {
	c, err := h.d.begin(ctx)
	if err != nil {
		return nil, err
	}
	h.d.mu.Lock()
	_, open := h.d.handles[h]
	h.d.mu.Unlock()
	if !open {
		_ = c.end(C.STOW_OK)
		return nil, errHandleClosed
	}
	return c, nil
}

// end closes the handle unless Close of the driver has.
func (h *handle) end(how func()) {
	h.d.mu.Lock()
	_, open := h.d.handles[h]
	if open {
		delete(h.d.handles, h)
		h.d.active++ // Close of the driver waits for it
	}
	h.d.mu.Unlock()
	if open {
		how()
		h.d.leave()
	}
}

// IsIgnored tells whether the driver takes an option for compatibility only.
func (d *Driver) IsIgnored(name string) bool {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	return C.shim_option_flags(d.c, cName)&C.STOW_OPTION_IGNORED != 0
}

// HasOption tells whether the driver has an option of that name.
func (d *Driver) HasOption(name string) bool {
	for i := C.size_t(0); ; i++ {
		row := C.shim_option_name(d.c, i)
		if row == nil {
			return false
		}
		if C.GoString(row) == name {
			return true
		}
	}
}

// Name is what the driver calls itself.
func (d *Driver) Name() string {
	return C.GoString(C.stow_store_driver(d.c.store))
}

// call is one call's circumstances.  They lie in C, where the driver's threads and the goroutine
// that cancels look at them.
type call struct {
	d     *Driver
	c     *C.struct_shim_call
	ctx   context.Context
	stop  func() bool
	ended chan struct{} // closed when the cancelling function has run
}

// begin waits for its turn; end must follow where err is nil.
func (d *Driver) begin(ctx context.Context) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		d.leave()
		return nil, ctx.Err()
	}
	after := int64(-1)
	if deadline, ok := ctx.Deadline(); ok {
		after = max(int64(time.Until(deadline)), 0)
	}
	c := &call{d: d, c: C.shim_call_new(C.int64_t(after)), ctx: ctx, ended: make(chan struct{})}
	if c.c == nil {
		<-d.slots
		d.leave()
		return nil, &Error{Status: NoMemory, Message: "out of memory"}
	}
	c.stop = context.AfterFunc(ctx, func() {
		C.shim_call_cancel(c.c)
		close(c.ended)
	})
	return c, nil
}

// op and err are what the C call takes.
func (c *call) op() *C.struct_stow_op     { return &c.c.op }
func (c *call) err() *C.struct_stow_error { return &c.c.err }

// end frees the circumstances and makes an error of the call's status.
func (c *call) end(status C.int) error {
	var err error
	if status != C.STOW_OK {
		err = newError(status, &c.c.err)
	}
	if !c.stop() {
		<-c.ended // it is running, or has run: it must not find the memory gone
	}
	C.shim_call_free(c.c)
	<-c.d.slots
	c.d.leave()
	if Is(err, Canceled) || Is(err, Timeout) {
		if ended := contextError(c.ctx); ended != nil { // what callers compare with
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
	return err
}

// contextError is that of a context which has ended, also where its own timer comes after C's.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// pointer is the first byte of data, or nil.
func pointer(data []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(data))
}

// Allocated is how many bytes malloc has given out in this process, for tests.
func Allocated() int64 {
	info := C.mallinfo2()
	return int64(info.uordblks) + int64(info.hblkhd)
}
