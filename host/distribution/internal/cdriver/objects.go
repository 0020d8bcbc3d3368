// SPDX-License-Identifier: Apache-2.0

package cdriver

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// Stat is what a store tells of an object.
type Stat struct {
	Size    int64
	ModTime time.Time
}

// What every driver takes for a key.
const (
	MaxKey       = C.STOW_KEY_MAX
	MaxComponent = C.STOW_KEY_COMPONENT_MAX
)

// firstGet is the room that a small object is first given; getTries how often one may grow under
// the reads.
const (
	firstGet = 64 << 10
	getTries = 4
)

func newStat(s *C.struct_stow_stat) Stat {
	return Stat{Size: int64(s.size), ModTime: time.Unix(0, int64(s.mtime_ns))}
}

// Check asks whether the store is there and lets us in.
func (d *Driver) Check(ctx context.Context) error {
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(C.stow_store_check(d.c.store, c.op(), c.err()))
}

// Stat is of an object; a folder is none.
func (d *Driver) Stat(ctx context.Context, key string) (Stat, error) {
	var st C.struct_stow_stat
	c, err := d.begin(ctx)
	if err != nil {
		return Stat{}, err
	}
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	err = c.end(C.store_stat(d.c.store, c.op(), cKey, &st, c.err()))
	return newStat(&st), err
}

// Get is the whole of an object of at most limit bytes.
func (d *Driver) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	room := int64(firstGet)
	for try := 0; ; try++ {
		var n C.size_t
		buf := make([]byte, room)
		c, err := d.begin(ctx)
		if err != nil {
			return nil, err
		}
		err = c.end(C.store_get(d.c.store, c.op(), cKey, nil, pointer(buf), C.size_t(room), &n,
			nil, c.err()))
		if err == nil {
			return buf[:n], nil
		}
		if !Is(err, Range) || uint64(n) <= uint64(room) || uint64(n) > uint64(limit) ||
			try == getTries {
			return nil, err
		}
		room = int64(n)
	}
}

// Put replaces the object.
func (d *Driver) Put(ctx context.Context, key string, data []byte) error {
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	return c.end(C.store_put(d.c.store, c.op(), cKey, pointer(data), C.size_t(len(data)), nil, nil,
		c.err()))
}

// Remove takes an object away; one that is not there is no error.
func (d *Driver) Remove(ctx context.Context, key string) error {
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	return c.end(C.store_remove(d.c.store, c.op(), cKey, nil, c.err()))
}

// RemoveMany takes objects away, as few requests as the store needs for it.
func (d *Driver) RemoveMany(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	memory := C.calloc(C.size_t(len(keys)), C.size_t(unsafe.Sizeof((*C.char)(nil))))
	statuses := C.calloc(C.size_t(len(keys)), C.sizeof_int)
	list := unsafe.Slice((**C.char)(memory), len(keys))
	for i, key := range keys {
		list[i] = C.CString(key)
	}
	r := C.store_remove_many(d.c.store, c.op(), (**C.char)(memory), nil, C.size_t(len(keys)),
		(*C.int)(statuses), c.err())
	for i := range list {
		C.free(unsafe.Pointer(list[i]))
	}
	C.free(memory)
	C.free(statuses)
	return c.end(r)
}

// Copy makes to an object with the bytes of from.
func (d *Driver) Copy(ctx context.Context, from, to string) error {
	c, err := d.begin(ctx)
	if err != nil {
		return err
	}
	cFrom, cTo := C.CString(from), C.CString(to)
	defer C.free(unsafe.Pointer(cFrom))
	defer C.free(unsafe.Pointer(cTo))
	return c.end(C.store_copy(d.c.store, c.op(), cFrom, nil, cTo, nil, c.err()))
}

// Presign is a URL that answers method on the key for that long without keys of the store.
func (d *Driver) Presign(ctx context.Context, key, method string, life time.Duration) (string, error) {
	buf := make([]byte, 16<<10)
	c, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	cKey, cMethod := C.CString(key), C.CString(method)
	defer C.free(unsafe.Pointer(cKey))
	defer C.free(unsafe.Pointer(cMethod))
	err = c.end(C.store_presign(d.c.store, c.op(), cKey, cMethod, C.int64_t(life/time.Second),
		(*C.char)(pointer(buf)), C.size_t(len(buf)), c.err()))
	if err != nil {
		return "", err
	}
	return C.GoString((*C.char)(pointer(buf))), nil
}

// PurgeWrites takes away unfinished writes below prefix that have not changed for that long.
func (d *Driver) PurgeWrites(ctx context.Context, prefix string, age time.Duration) (uint64, error) {
	var count C.uint64_t
	c, err := d.begin(ctx)
	if err != nil {
		return 0, err
	}
	cPrefix := C.CString(prefix)
	defer C.free(unsafe.Pointer(cPrefix))
	err = c.end(C.store_purge_writes(d.c.store, c.op(), cPrefix, C.int64_t(age), &count, c.err()))
	return uint64(count), err
}
