// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"io"
	"strings"
)

const (
	// removeBatch is how many keys go at once: what one request of S3 takes.
	removeBatch = 700
	// siblingsMost is how many keys beside a directory are passed over before the listing is begun
	// anew inside of it: half a page.
	siblingsMost = 500
)

// Delete removes the object at path and all below it, and nothing that only begins the same.
func (d *driver) Delete(ctx context.Context, path string) error {
	keys := make([]string, 0, removeBatch)
	found := false
	flush := func() error {
		err := failure(d.c.RemoveMany(ctx, keys), path)
		keys = keys[:0]
		return err
	}
	err := d.eachBelow(ctx, path, func(key string) error {
		found = true
		keys = append(keys, key)
		if len(keys) < removeBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && !found {
		err = notFound(path)
	}
	return err
}

// eachBelow calls f for the key of path itself and each key below it.  One listing does for both:
// '-' and '.' sort before '/', so siblings may lie between them; where there are many, a second
// listing leaves them out.
func (d *driver) eachBelow(ctx context.Context, path string, f func(key string) error) error {
	self, inside := keyOf(path), below(path)
	list, err := d.c.OpenList(ctx, self, "", false)
	if err != nil {
		return failure(err, path)
	}
	defer func() { list.Close() }()
	siblings := 0
	for {
		entry, err := list.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failure(err, path)
		}
		switch {
		case entry.Key == self || strings.HasPrefix(entry.Key, inside):
			if err := f(entry.Key); err != nil {
				return err
			}
		case entry.Key > inside:
			return nil
		default:
			if siblings++; siblings == siblingsMost {
				list.Close()
				list, err = d.c.OpenList(ctx, inside, "", false)
				if err != nil {
					return failure(err, path)
				}
			}
		}
	}
}
