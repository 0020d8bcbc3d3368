// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"stowage/host/distribution/internal/cdriver"
)

const (
	purgeFirst = 10 * time.Minute // after the start, so that many starts do not all begin with one
	purgeEvery = 24 * time.Hour
	purgeLimit = time.Hour
	// purgeBelow is where Distribution writes; what lies beside it in a bucket is not ours.
	purgeBelow = "docker/registry/v2/"
)

// purger takes away, once a day, unfinished writes that nobody goes on with: those of uploads that
// Distribution has given up.
type purger struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func startPurge(c *cdriver.Driver, age time.Duration) *purger {
	ctx, cancel := context.WithCancel(context.Background())
	p := &purger{cancel: cancel}
	if age > 0 {
		p.done.Add(1)
		go func() {
			defer p.done.Done()
			p.run(ctx, c, age)
		}()
	}
	return p
}

func (p *purger) run(ctx context.Context, c *cdriver.Driver, age time.Duration) {
	timer := time.NewTimer(purgeFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		purgeOnce(ctx, c, age)
		timer.Reset(purgeEvery)
	}
}

func purgeOnce(ctx context.Context, c *cdriver.Driver, age time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, purgeLimit)
	defer cancel()
	count, err := c.PurgeWrites(ctx, purgeBelow, age)
	switch {
	case err == nil && count > 0:
		logrus.Infof("%s: %d unfinished writes older than %v are gone", driverName, count, age)
	case err != nil && !cdriver.Is(err, cdriver.NotOffered) && ctx.Err() == nil:
		logrus.Warnf("%s: unfinished writes cannot be purged: %v", driverName, err)
	}
}

func (p *purger) stop() {
	p.cancel()
	p.done.Wait()
}
