// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/base"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/sirupsen/logrus"

	"stowage/host/distribution/internal/cdriver"
)

const (
	driverName   = "stowage"
	checkLimit   = 30 * time.Second
	redirectLife = 20 * time.Minute // as Distribution's own driver
	contentMost  = 256 << 20        // of GetContent, which Distribution uses for small things
	hiddenFolder = ".stowage-tmp/"  // of drivers, for what is unfinished
)

func init() {
	factory.Register(driverName, driverFactory{})
}

type driverFactory struct{}

// Create implements factory.StorageDriverFactory.
func (driverFactory) Create(ctx context.Context, params map[string]any) (storagedriver.StorageDriver, error) {
	return New(ctx, params)
}

// Driver is the storage driver, wrapped in what Distribution checks before each call.
type Driver struct {
	base.Base
	d     *driver
	purge *purger
}

// New opens the driver that the parameters name and looks whether its store lets us in.
func New(ctx context.Context, params map[string]any) (*Driver, error) {
	p, err := parse(params)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", driverName, err)
	}
	c, err := open(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", driverName, p.hint(err))
	}
	for _, o := range p.options {
		if c.IsIgnored(o.Name) {
			logrus.Warnf("%s: parameter %s has no effect", driverName, o.Name)
		}
	}
	if err := check(ctx, c); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", driverName, err)
	}
	d := &driver{c: c, root: rootOf(p.options)}
	return &Driver{Base: base.Base{StorageDriver: d}, d: d, purge: startPurge(c, p.purgeAge)}, nil
}

// open leaves the user agent out that Distribution adds where the driver sends none.
func open(p parameters) (*cdriver.Driver, error) {
	c, err := cdriver.Open(p.folder, p.name, p.options, p.maxCalls, logLine)
	if err == nil || !cdriver.Is(err, cdriver.Invalid) {
		return c, err
	}
	kept := make([]cdriver.Option, 0, len(p.options))
	for _, o := range p.options {
		if o.Name != useragent || !strings.HasPrefix(o.Value, useragentOfHost) {
			kept = append(kept, o)
		}
	}
	if len(kept) == len(p.options) {
		return nil, err
	}
	c, second := cdriver.Open(p.folder, p.name, kept, p.maxCalls, logLine)
	if second != nil {
		return nil, second
	}
	if c.HasOption(useragent) { // it was the value that did not please
		c.Close()
		return nil, err
	}
	return c, nil
}

// check fails for mistakes of configuration alone: a store that is away may come back.
func check(ctx context.Context, c *cdriver.Driver) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	err := c.Check(ctx)
	var e *cdriver.Error
	if err == nil || (errors.As(err, &e) && !e.Retryable) {
		return err
	}
	logrus.Warnf("%s: the store does not answer yet: %v", driverName, err)
	return nil
}

func logLine(level cdriver.Level, component, line string) {
	entry := logrus.WithField("component", driverName+"."+component)
	switch level {
	case cdriver.LevelError:
		entry.Error(line)
	case cdriver.LevelWarning:
		entry.Warn(line)
	case cdriver.LevelInfo:
		entry.Info(line)
	default:
		entry.Debug(line)
	}
}

// Close ends the driver and its threads; every reader and writer must be closed before.  The
// registry never calls it.
func (d *Driver) Close() {
	d.purge.stop()
	d.d.c.Close()
}

// S3BucketKey is the key of a path in the bucket, which the CloudFront middleware asks for.
func (d *Driver) S3BucketKey(path string) string {
	return d.d.root + keyOf(path)
}

// driver is the bare storage driver.
type driver struct {
	c    *cdriver.Driver
	root string // "" or "some/prefix/"
}

func rootOf(options []cdriver.Option) string {
	for _, o := range options {
		if root := strings.Trim(o.Value, "/"); o.Name == "rootdirectory" && root != "" {
			return root + "/"
		}
	}
	return ""
}

// keyOf is a path without the slash it begins with: keys have none.
func keyOf(path string) string {
	return strings.TrimPrefix(path, "/")
}

// isKey tells whether a path that Distribution allows is a key to every driver, too.
func isKey(key string) bool {
	for _, component := range strings.Split(key, "/") {
		if component == "" || component == "." || component == ".." ||
			len(component) > cdriver.MaxComponent {
			return false
		}
	}
	return len(key) <= cdriver.MaxKey && !strings.HasPrefix(key+"/", hiddenFolder)
}

// below is what the keys of everything under a path begin with.
func below(path string) string {
	if key := keyOf(path); key != "" {
		return key + "/"
	}
	return ""
}

// failure makes Distribution's own error values of a driver's.
func failure(err error, path string) error {
	switch {
	case err == nil:
		return nil
	case cdriver.Is(err, cdriver.NotFound):
		return notFound(path)
	case cdriver.Is(err, cdriver.NotOffered):
		return storagedriver.ErrUnsupportedMethod{DriverName: driverName}
	case cdriver.Is(err, cdriver.Invalid) && !isKey(keyOf(path)):
		return storagedriver.InvalidPathError{Path: path, DriverName: driverName}
	}
	return err
}

func notFound(path string) error {
	return storagedriver.PathNotFoundError{Path: path, DriverName: driverName}
}

// Name implements storagedriver.StorageDriver.
func (d *driver) Name() string { return driverName }

// GetContent is the whole object.
func (d *driver) GetContent(ctx context.Context, path string) ([]byte, error) {
	data, err := d.c.Get(ctx, keyOf(path), contentMost)
	return data, failure(err, path)
}

// PutContent replaces the object.
func (d *driver) PutContent(ctx context.Context, path string, content []byte) error {
	return failure(d.c.Put(ctx, keyOf(path), content), path)
}

// Stat is one request for an object, two for a directory and for nothing.
func (d *driver) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	fields := storagedriver.FileInfoFields{Path: path, IsDir: true}
	if path != "/" {
		st, err := d.c.Stat(ctx, keyOf(path))
		if err == nil {
			fields = storagedriver.FileInfoFields{Path: path, Size: st.Size, ModTime: st.ModTime}
			return storagedriver.FileInfoInternal{FileInfoFields: fields}, nil
		}
		if !cdriver.Is(err, cdriver.NotFound) {
			return nil, failure(err, path)
		}
	}
	list, err := d.c.OpenList(ctx, below(path), "", false)
	if err != nil {
		return nil, failure(err, path)
	}
	defer list.Close()
	if _, err = list.Next(ctx); err == io.EOF && path != "/" {
		return nil, notFound(path)
	} else if err != nil && err != io.EOF {
		return nil, failure(err, path)
	}
	return storagedriver.FileInfoInternal{FileInfoFields: fields}, nil
}

// List is the direct children of a directory.
func (d *driver) List(ctx context.Context, path string) ([]string, error) {
	list, err := d.c.OpenList(ctx, below(path), "", true)
	if err != nil {
		return nil, failure(err, path)
	}
	defer list.Close()
	children := []string{}
	for {
		entry, err := list.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, failure(err, path)
		}
		if entry.Key != below(path) { // what some tools leave for an empty folder
			children = append(children, "/"+strings.TrimSuffix(entry.Key, "/"))
		}
	}
	if len(children) == 0 && path != "/" {
		return nil, notFound(path)
	}
	return children, nil
}

// Move copies, then removes.
func (d *driver) Move(ctx context.Context, sourcePath, destPath string) error {
	if !isKey(keyOf(destPath)) {
		return storagedriver.InvalidPathError{Path: destPath, DriverName: driverName}
	}
	if sourcePath == destPath {
		_, err := d.c.Stat(ctx, keyOf(sourcePath))
		return failure(err, sourcePath)
	}
	if err := d.c.Copy(ctx, keyOf(sourcePath), keyOf(destPath)); err != nil {
		return failure(err, sourcePath)
	}
	return failure(d.c.Remove(ctx, keyOf(sourcePath)), sourcePath)
}

// RedirectURL is a presigned URL for GET and HEAD where the driver makes such.
func (d *driver) RedirectURL(r *http.Request, path string) (string, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", nil
	}
	url, err := d.c.Presign(r.Context(), keyOf(path), r.Method, redirectLife)
	if cdriver.Is(err, cdriver.NotOffered) {
		return "", nil
	}
	return url, failure(err, path)
}
