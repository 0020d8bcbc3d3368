// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/s3-aws"
)

var errStop = errors.New("stop here")

// tree has names that sort around the slash, and what begins like something else.
var tree = []string{
	"/file", "/folder-beside/file", "/folder.beside", "/folder/file", "/folder/sub/deep/file",
	"/folder/sub2/file", "/folder0/file", "/other/a/b/c/d", "/other/a/b/e", "/other/z",
}

func plant(t *testing.T, d storagedriver.StorageDriver, paths []string) {
	for _, path := range paths {
		if err := d.PutContent(context.Background(), path, []byte("content of "+path)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, path := range paths {
			_ = d.Delete(context.Background(), path)
		}
	})
}

// walked is what a walk shows: paths, a slash at the end of those that are directories.
func walked(t *testing.T, d storagedriver.StorageDriver, from, after string,
	answers map[string]error) ([]string, error) {
	seen := []string{}
	err := d.Walk(context.Background(), from, func(info storagedriver.FileInfo) error {
		path := info.Path()
		switch {
		case info.IsDir():
			path += "/"
		case info.Size() != int64(len("content of "+path)):
			t.Errorf("%s has the size %d", path, info.Size())
		case info.ModTime().IsZero():
			t.Errorf("%s has no time", path)
		}
		seen = append(seen, path)
		return answers[info.Path()]
	}, storagedriver.WithStartAfterHint(after))
	return seen, err
}

type walkCase struct {
	from, after string
	answers     map[string]error
	want        string
}

var walkCases = []walkCase{
	{from: "/", want: "/file /folder-beside/ /folder-beside/file /folder.beside /folder/ " +
		"/folder/file /folder/sub/ /folder/sub/deep/ /folder/sub/deep/file /folder/sub2/ " +
		"/folder/sub2/file /folder0/ /folder0/file /other/ /other/a/ /other/a/b/ /other/a/b/c/ " +
		"/other/a/b/c/d /other/a/b/e /other/z"},
	{from: "/folder", want: "/folder/file /folder/sub/ /folder/sub/deep/ /folder/sub/deep/file " +
		"/folder/sub2/ /folder/sub2/file"},
	{from: "/missing", want: ""},
	{from: "/file", want: ""},
	{from: "/", after: "/folder/sub/deep", want: "/folder/ /folder/sub/ /folder/sub/deep/ " +
		"/folder/sub/deep/file /folder/sub2/ /folder/sub2/file /folder0/ /folder0/file /other/ " +
		"/other/a/ /other/a/b/ /other/a/b/c/ /other/a/b/c/d /other/a/b/e /other/z"},
	{from: "/", after: "/folder/sub/deep/file", want: "/folder/ /folder/sub2/ /folder/sub2/file " +
		"/folder0/ /folder0/file /other/ /other/a/ /other/a/b/ /other/a/b/c/ /other/a/b/c/d " +
		"/other/a/b/e /other/z"},
	{from: "/folder", after: "/a", want: "/folder/file /folder/sub/ /folder/sub/deep/ " +
		"/folder/sub/deep/file /folder/sub2/ /folder/sub2/file"},
	{from: "/folder", after: "/zzz", want: ""},
	{from: "/other", after: "/other/a/b/c/d", want: "/other/a/ /other/a/b/ /other/a/b/e /other/z"},
	{from: "/", answers: map[string]error{"/folder": storagedriver.ErrSkipDir,
		"/other/a/b": storagedriver.ErrSkipDir},
		want: "/file /folder-beside/ /folder-beside/file /folder.beside /folder/ /folder0/ " +
			"/folder0/file /other/ /other/a/ /other/a/b/ /other/z"},
	{from: "/", answers: map[string]error{"/file": storagedriver.ErrSkipDir,
		"/folder/file": storagedriver.ErrFilledBuffer},
		want: "/file /folder-beside/ /folder-beside/file /folder.beside /folder/ /folder/file"},
	{from: "/", answers: map[string]error{"/folder": storagedriver.ErrFilledBuffer},
		want: "/file /folder-beside/ /folder-beside/file /folder.beside /folder/"},
	{from: "/", answers: map[string]error{"/folder-beside/file": errStop},
		want: "/file /folder-beside/ /folder-beside/file"},
}

func TestWalk(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		plant(t, d, tree)
		// the same bucket by Distribution's own driver, which is to show the same
		var other storagedriver.StorageDriver
		if params[paramDriver] == "s3" {
			other = ownDriver(t, params)
		}
		for _, c := range walkCases {
			got, err := walked(t, d, c.from, c.after, c.answers)
			if (err != nil) != slices.Contains(slices.Collect(maps.Values(c.answers)), errStop) {
				t.Errorf("%s after %q: %v", c.from, c.after, err)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s after %q: %s", c.from, c.after, strings.Join(got, " "))
			}
			if other == nil {
				continue
			}
			if own, _ := walked(t, other, c.from, c.after, c.answers); !slices.Equal(own, got) {
				t.Errorf("%s after %q: here %v, there %v", c.from, c.after, got, own)
			}
		}
	})
}

// ownDriver is Distribution's own driver on the same bucket and root.
func ownDriver(t *testing.T, params map[string]any) storagedriver.StorageDriver {
	own := map[string]any{"forcepathstyle": true}
	for name, value := range params {
		if name != paramDriver && name != paramDriverPath {
			own[name] = value
		}
	}
	d, err := factory.Create(context.Background(), "s3", own)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A skipped directory that holds more than half a page is left in one request, and what comes
// behind is not lost.
func TestWalkSkipsBigDirectory(t *testing.T) {
	d := create(t, memoryParameters(t))
	paths := []string{"/a/first", "/b/last", "/a0/beside"}
	for i := range 3 * skippedMost {
		paths = append(paths, fmt.Sprintf("/a/skipped/%04d", i))
	}
	plant(t, d, append(paths, "/a/skipped.not"))
	got, err := walked(t, d, "/", "", map[string]error{"/a/skipped": storagedriver.ErrSkipDir})
	want := "/a/ /a/first /a/skipped.not /a/skipped/ /a0/ /a0/beside /b/ /b/last"
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v", got, err)
	}
}

// Delete takes what is at a path and below it, and nothing beside.
func TestDelete(t *testing.T) {
	eachDriver(t, func(t *testing.T, params map[string]any) {
		d := create(t, params)
		plant(t, d, tree)
		ctx := context.Background()
		if err := d.Delete(ctx, "/folder"); err != nil {
			t.Fatal(err)
		}
		got, err := walked(t, d, "/", "", nil)
		want := "/file /folder-beside/ /folder-beside/file /folder.beside /folder0/ /folder0/file " +
			"/other/ /other/a/ /other/a/b/ /other/a/b/c/ /other/a/b/c/d /other/a/b/e /other/z"
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%v, %v", got, err)
		}
		for _, path := range []string{"/folder", "/fil", "/other/a/b/c/d/e"} {
			mustBeMissing(t, d.Delete(ctx, path), path)
		}
		if err := d.Delete(ctx, "/file"); err != nil {
			t.Error(err)
		}
		_, err = d.Stat(ctx, "/file")
		mustBeMissing(t, err, "/file")
	})
}

// More keys than one request takes, and more siblings than are passed over one by one.
func TestDeleteMany(t *testing.T) {
	d := create(t, memoryParameters(t))
	paths := []string{"/a0"}
	for i := range 3*removeBatch + 1 {
		paths = append(paths, fmt.Sprintf("/a/%04d", i))
	}
	for i := range 2 * siblingsMost {
		paths = append(paths, fmt.Sprintf("/a-%04d", i))
	}
	plant(t, d, paths)
	if err := d.Delete(context.Background(), "/a"); err != nil {
		t.Fatal(err)
	}
	left, err := d.List(context.Background(), "/")
	if err != nil || len(left) != 2*siblingsMost+1 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
