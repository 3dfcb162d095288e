// SPDX-License-Identifier: Apache-2.0

package samba

// How long clients may stay after SIGTERM: as long as TimeoutStopSec= of the
// worker's unit, drop-ins included, leaves time to end the rpcd before systemd
// kills it; and a moment only when all of MSRPC stops, since a client that never
// leaves must not hold up a shutdown. systemd is asked once, when it stops the
// worker.

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
)

const (
	orderTime   = 1500 * time.Millisecond // for systemd's answer, less than leaveWait
	stopReserve = 6 * time.Second         // of TimeoutStopSec=, to end the rpcd in
	restartTime = 10 * time.Second        // since the target's stop, as part of its restart
)

// order is what the service manager said of a stop.
type order struct {
	limit time.Duration // since the signal; 0: leaveWait
	press time.Duration // for each way of asking the rpcd to end
	note  string
}

// stopOrder asks for an order in a goroutine of its own.
type stopOrder struct{ answer atomic.Pointer[order] }

func (s *stopOrder) ask(name string, index int, wake func()) {
	ctx, cancel := context.WithTimeout(context.Background(), orderTime)
	defer cancel()
	o, err := orderOf(ctx, layout.WorkerService(name, index))
	if err != nil {
		o = order{note: fmt.Sprintf(" (systemd did not say for how long: %v)", err)}
	}
	s.answer.Store(&o)
	wake()
}

func orderOf(ctx context.Context, unit string) (order, error) {
	c, err := systemctl.Connect(ctx)
	if err != nil {
		return order{}, err
	}
	defer c.Close()
	state, err := c.SystemState(ctx)
	if err != nil {
		return order{}, err
	}
	if state == "stopping" {
		return order{note: ", this host shuts down"}, nil
	}
	target, err := c.Properties(ctx, layout.Target)
	if err != nil {
		return order{}, err
	}
	if targetStops(target, systemctl.Monotonic()) {
		return order{note: ", " + layout.Target + " stops"}, nil
	}
	own, err := c.Properties(ctx, unit)
	if err != nil {
		return order{}, err
	}
	usec, ok := own.Number("TimeoutStopUSec")
	return limits(usec, ok), nil
}

// targetStops also knows a restart, which may have come to its second half.
func targetStops(target systemctl.Properties, now time.Duration) bool {
	if target.Text("ActiveState") != "active" {
		return true
	}
	usec, ok := target.Number("InactiveEnterTimestampMonotonic")
	return ok && usec > 0 && now-time.Duration(usec)*time.Microsecond < restartTime
}

// limits divides TimeoutStopSec=; none means infinity.
func limits(usec uint64, ok bool) order {
	if !ok || usec > math.MaxInt64/1000 {
		return order{limit: event.Never / 2, press: stopWait}
	}
	all := time.Duration(usec) * time.Microsecond
	reserve := min(stopReserve, all/2)
	return order{limit: all - reserve, press: min(stopWait, reserve/3)}
}

// duration is d as people read it.
func duration(d time.Duration) string {
	if d > 1000*time.Hour {
		return "all the time they need"
	}
	return d.Round(100 * time.Millisecond).String()
}
