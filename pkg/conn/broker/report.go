// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"os"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// This file owns what the broker says of itself: its line of the status file, and
// the line that systemctl status shows.

// openStatus maps the status file and takes the broker's line.
func (b *Broker) openStatus() error {
	f, err := status.Open(layout.StatusFile(b.cfg.Name), true)
	if err != nil {
		return fmt.Errorf("%w; systemctl reload-or-restart %s makes it", err, layout.PreflightService)
	}
	if f.Len() < b.cfg.Workers+b.cfg.Spares {
		return fmt.Errorf("status file has room for %d workers only; systemctl reload-or-restart %s makes a new one",
			f.Len(), layout.PreflightService)
	}
	if err := f.LockBroker(); err != nil {
		return fmt.Errorf("status file of %s: %w", b.cfg.Name, err)
	}
	b.status = f
	l := f.Broker()
	l.StartID.Store(uint64(b.loop.Now))
	l.PID.Store(uint32(os.Getpid()))
	l.Pending.Store(0)
	l.Parked.Store(0)
	return nil
}

// countWaiting keeps the broker's line of the status file up to date.
func (b *Broker) countWaiting() {
	l := b.status.Broker()
	l.Pending.Store(uint32(b.waiting.n))
	l.Parked.Store(uint32(b.parking.lot.Len()))
}

// statusText is what systemctl status shows.
func (b *Broker) statusText() string {
	b.refreshAlive()
	alive, open := 0, uint64(0)
	for i := range b.workers.inboxes {
		if b.workers.inboxes[i].alive {
			alive++
			open += b.status.Worker(i).Open()
		}
	}
	return fmt.Sprintf("Serving, workers: %d, connections: %d, waiting clients: %d", alive, open, b.waiting.n)
}
