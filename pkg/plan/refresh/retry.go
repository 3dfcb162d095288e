// SPDX-License-Identifier: Apache-2.0

// What could not be found out is tried again: by layout.RetryTimer, with
// growing pauses, and when the network changes. That something is to be tried
// again is in the catalogue (Pending), so that it survives a boot; a refresh
// that failed as a whole starts the timer by OnFailure= of its unit.

package refresh

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
)

// retry starts the timer when rpcds are pending, and stops it when none are.
func (a *applier) retry(ctx context.Context, pending []string) error {
	wanted, err := a.targetWanted(ctx)
	if err != nil || !wanted {
		return err
	}
	timer, err := a.up(ctx, layout.RetryTimer)
	if err != nil {
		return err
	}
	if len(pending) == 0 {
		if timer {
			return a.m.Stop(ctx, layout.RetryTimer)
		}
		return nil
	}
	a.rep.Retried = pending
	if !timer {
		if err := a.m.Start(ctx, layout.RetryTimer); err != nil {
			return err
		}
	}
	p, err := a.m.Properties(ctx, layout.RetryTimer)
	if err != nil {
		return err
	}
	var now unix.Timespec
	if next, ok := p.Number("NextElapseUSecMonotonic"); ok && unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		left := time.Duration(next)*time.Microsecond - time.Duration(now.Nano())
		a.rep.NextTry = time.Now().Add(left).Format(time.RFC3339)
	}
	return nil
}
