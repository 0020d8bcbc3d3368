// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"io"

	"stowage/host/distribution/internal/cdriver"
)

// Reader reads from offset on; an offset at or behind the end gives nothing.
func (d *driver) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	r, err := d.c.OpenReader(ctx, keyOf(path), offset)
	if cdriver.Is(err, cdriver.Range) {
		return io.NopCloser(&io.LimitedReader{}), nil
	}
	if err != nil {
		return nil, failure(err, path)
	}
	return &reader{ctx: ctx, r: r, path: path}, nil
}

type reader struct {
	ctx  context.Context
	r    *cdriver.Reader
	path string
}

func (r *reader) Read(buf []byte) (int, error) {
	n, err := r.r.Read(r.ctx, buf)
	if err == io.EOF {
		return 0, io.EOF
	}
	return n, failure(err, r.path)
}

func (r *reader) Close() error {
	r.r.Close()
	return nil
}
