// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"os"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
)

const (
	searchEvery = 10 * time.Millisecond  // conns that wait for a worker to come up
	idleEvery   = time.Second            // how often an idle broker looks whether workers still live
	parkBatch   = 64                     // conns parked before the others' turn
	parkEvery   = 100 * time.Millisecond // between tries to park who could not be parked
)

// due is when the loop has something to do without an event.
func (b *Broker) due() time.Duration {
	next := min(b.manager.Due(), b.door.Due())
	at := func(t time.Duration) { next = min(next, t) }
	if b.loose.head != end || b.unsafe {
		at(b.parkAt)
	}
	if b.silent.head != end {
		at(b.conns[b.silent.head].accepted + b.cfg.BindTimeout)
	}
	if b.stalled.head != end {
		at(b.conns[b.stalled.head].lookAt)
	}
	if b.pending > b.silent.n {
		at(b.loop.Now + searchEvery)
	}
	if b.cfg.Idle > 0 && b.pending == 0 {
		at(max(b.lastActive+b.cfg.Idle, b.lastIdle+idleEvery))
	}
	return next
}

// expire does what is due: parks, cuts off those who never bind, tries again
// where a worker could not be reached.
func (b *Broker) expire() {
	b.takeStalled()
	for b.fresh.head != end && b.conns[b.fresh.head].accepted+parkAfter <= b.loop.Now {
		b.settle(int(b.fresh.head))
	}
	if b.parkAt <= b.loop.Now {
		b.parkLoose()
	}
	for b.silent.head != end && b.conns[b.silent.head].accepted+b.cfg.BindTimeout <= b.loop.Now {
		fd := int(b.silent.head)
		b.logOnce(journal.Notice, "bind timeout", journal.IDBindTimeout, fd,
			fmt.Sprintf("no complete bind in %v: closed", b.cfg.BindTimeout))
		b.refuse(fd)
	}
	if b.pending > b.silent.n {
		b.retry()
		if b.swept+sweepEvery <= b.loop.Now {
			b.sweep()
		}
	}
	b.door.Resume()
}

// retry looks again after the conns that no worker could take.
func (b *Broker) retry() {
	for i := range b.inboxes {
		if in := &b.inboxes[i]; passed(in.retryAt, b.loop.Now) || passed(in.fullAt, b.loop.Now) {
			b.flush(i)
		}
	}
	b.desert()
	for fd := b.spare.head; fd != end; {
		next := b.conns.after(&b.spare, fd)
		b.handOver(int(fd))
		fd = next
	}
}

// passed reports whether a time was set and is over.
func passed(at, now time.Duration) bool { return at > 0 && at <= now }

// desert takes new groups away from workers that do not read, as soon as there
// is another one.
func (b *Broker) desert() {
	fit, stuck := false, false
	b.refreshAlive()
	for i := range b.cfg.Workers {
		b.loads[i] = b.loadOf(i)
		if l := &b.loads[i]; l.stalled || l.draining || l.absent {
			stuck = stuck || len(b.inboxes[i].queue) > 0
		} else {
			fit = fit || len(b.inboxes[i].queue) == 0
		}
	}
	if !fit || !stuck {
		return
	}
	for i := range b.cfg.Workers {
		if l := &b.loads[i]; l.stalled || l.draining || l.absent {
			b.reroute(i)
		}
	}
}

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
	l.Pending.Store(uint32(b.pending))
	l.Parked.Store(uint32(b.lot.Len()))
}

// statusText is what systemctl status shows.
func (b *Broker) statusText() string {
	b.refreshAlive()
	alive, open := 0, uint64(0)
	for i := range b.inboxes {
		if b.inboxes[i].alive {
			alive++
			open += b.status.Worker(i).Open()
		}
	}
	return fmt.Sprintf("Serving, workers: %d, connections: %d, waiting clients: %d", alive, open, b.pending)
}

// idle reports whether the broker may exit: systemd holds the listeners and
// starts it again.
func (b *Broker) idle() bool {
	if b.cfg.Idle == 0 || b.pending > 0 || b.loop.Now < b.lastActive+b.cfg.Idle || b.loop.Now < b.lastIdle+idleEvery {
		return false
	}
	b.lastIdle = b.loop.Now
	return !b.working()
}
