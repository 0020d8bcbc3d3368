// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"io"
	"strings"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"stowage/host/distribution/internal/cdriver"
)

// skippedMost is how many keys of a skipped directory are passed over before the listing is begun
// anew behind it: half a page.
const skippedMost = 500

// lastInside sorts after whatever a path may have below a directory; keys that are no paths may
// still follow.
const lastInside = "/~"

// Walk calls f for each directory and object below path, depth first, in the order of keys.  It is
// one flat listing; directories are those of the keys.  With a start hint, paths that sort up to
// it are left out.  As with Distribution's own S3 driver, a path with nothing below is no error.
func (d *driver) Walk(ctx context.Context, path string, f storagedriver.WalkFn,
	options ...func(*storagedriver.WalkOptions)) error {
	var o storagedriver.WalkOptions
	for _, option := range options {
		option(&o)
	}
	w := walk{d: d, ctx: ctx, path: path, f: f, prefix: below(path)}
	return w.run(keyOf(o.StartAfterHint))
}

type walk struct {
	d       *driver
	ctx     context.Context
	path    string
	prefix  string
	f       storagedriver.WalkFn
	list    *cdriver.Lister
	dir     string // the directory that the last key lay in, a key with a slash at its end
	skip    string // what is skipped: the same, or ""
	skipped int
}

func (w *walk) run(after string) error {
	if err := w.open(after); err != nil {
		return err
	}
	defer func() { w.list.Close() }()
	w.dir = w.prefix
	for {
		entry, err := w.list.Next(w.ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failure(err, w.path)
		}
		if w.skip != "" && strings.HasPrefix(entry.Key, w.skip) {
			err = w.pass()
		} else {
			w.skip = ""
			err = w.visit(entry)
		}
		if err == storagedriver.ErrFilledBuffer {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) open(after string) (err error) {
	w.list, err = w.d.c.OpenList(w.ctx, w.prefix, after, false)
	return failure(err, w.path)
}

// pass leaves a key of a skipped directory out, and in the end all of them at once.
func (w *walk) pass() error {
	if w.skipped++; w.skipped != skippedMost {
		return nil
	}
	w.list.Close()
	return w.open(strings.TrimSuffix(w.skip, "/") + lastInside)
}

// visit calls f for the directories that the key is the first in, and for the object.
func (w *walk) visit(entry cdriver.Entry) error {
	for _, dir := range newDirectories(w.dir, entry.Key) {
		w.dir = dir
		err := w.f(storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{
			Path: "/" + strings.TrimSuffix(dir, "/"), IsDir: true}})
		if err == storagedriver.ErrSkipDir {
			w.skip, w.skipped = dir, 0
			return nil
		}
		if err != nil {
			return err
		}
	}
	if strings.HasSuffix(entry.Key, "/") { // what some tools leave for an empty folder
		return nil
	}
	w.dir = entry.Key[:strings.LastIndexByte(entry.Key, '/')+1]
	err := w.f(storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{
		Path: "/" + entry.Key, Size: entry.Size, ModTime: entry.ModTime}})
	if err == storagedriver.ErrSkipDir { // of an object: there is nothing to skip
		return nil
	}
	return err
}

// newDirectories is every directory of key, outermost first, that does not hold from, too.
func newDirectories(from, key string) []string {
	var dirs []string
	for i := 0; i < len(key); i++ {
		if key[i] == '/' && !strings.HasPrefix(from, key[:i+1]) {
			dirs = append(dirs, key[:i+1])
		}
	}
	return dirs
}
