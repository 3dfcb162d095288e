// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// moveClock says that tests/faults --clock runs. A box has the clock of its host,
// and a time namespace has no realtime clock of its own: this fault moves the
// clock of the machine, which nobody does to whom that was not told.
var moveClock = os.Getenv("MSRPCD_FAULTS_CLOCK") != ""

// clockJumps moves the clock by more than any time that a client has, there and
// back.
func clockJumps(h *host, l *steadyLoad) {
	start := time.Now()
	set := func(offset time.Duration) {
		ts := unix.NsecToTimespec(start.Add(time.Since(start) + offset).UnixNano())
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
			h.t.Fatalf("set the clock: %v", err)
		}
	}
	h.t.Cleanup(func() { set(0) })
	for range times(1, 3) {
		for _, offset := range []time.Duration{2 * time.Minute, -2 * time.Minute, 0} {
			set(offset)
			l.flow(300)
		}
	}
}
