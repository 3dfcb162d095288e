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

// timeout is how many milliseconds the loop may sleep, -1 for ever.
func (b *Broker) timeout() int {
	next := int64(1<<63 - 1)
	at := func(t int64) { next = min(next, t) }
	if b.loose.head != end || b.unsafe {
		at(b.parkAt)
	}
	if b.silent.head != end {
		at(b.conns[b.silent.head].accepted + int64(b.cfg.BindTimeout))
	}
	if b.stalled.head != end {
		at(b.conns[b.stalled.head].lookAt)
	}
	if b.pending > b.silent.n || !b.ready {
		at(b.now + int64(searchEvery))
	}
	if b.acceptAfter > 0 {
		at(b.acceptAfter)
	}
	if b.dirty {
		at(b.lastReport + int64(reportEvery))
	}
	if b.cfg.Idle > 0 && b.pending == 0 {
		at(max(b.lastActive+int64(b.cfg.Idle), b.lastIdle+int64(idleEvery)))
	}
	if next == 1<<63-1 {
		return -1
	}
	return int(max(0, (next-b.now+int64(time.Millisecond)-1)/int64(time.Millisecond)))
}

// expire does what is due: parks, cuts off those who never bind, tries again
// where a worker could not be reached.
func (b *Broker) expire() {
	b.takeStalled()
	for b.fresh.head != end && b.conns[b.fresh.head].accepted+int64(parkAfter) <= b.now {
		b.settle(int(b.fresh.head))
	}
	if b.parkAt <= b.now {
		b.parkLoose()
	}
	for b.silent.head != end && b.conns[b.silent.head].accepted+int64(b.cfg.BindTimeout) <= b.now {
		fd := int(b.silent.head)
		b.complain(journal.Notice, "bind timeout", journal.IDBindTimeout, fd,
			fmt.Sprintf("no complete bind in %v: closed", b.cfg.BindTimeout))
		b.refuse(fd)
	}
	if b.pending > b.silent.n {
		b.retry()
		if b.swept+int64(sweepEvery) <= b.now {
			b.sweep()
		}
	}
	if b.acceptAfter > 0 && b.acceptAfter <= b.now {
		b.resumeAccept()
	}
	if !b.ready {
		b.tellReady()
	}
}

// retry looks again after the conns that no worker could take.
func (b *Broker) retry() {
	for i := range b.inboxes {
		if in := &b.inboxes[i]; due(in.retryAt, b.now) || due(in.fullAt, b.now) {
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

func due(at, now int64) bool { return at > 0 && at <= now }

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
	l.StartID.Store(uint64(b.now))
	l.PID.Store(uint32(os.Getpid()))
	l.Pending.Store(0)
	l.Parked.Store(0)
	return nil
}

// report keeps the status file and systemctl's status line up to date.
func (b *Broker) report() {
	l := b.status.Broker()
	l.Pending.Store(uint32(b.pending))
	l.Parked.Store(uint32(b.lot.Len()))
	b.dirty = true
	if b.now-b.lastReport < int64(reportEvery) {
		return
	}
	b.dirty, b.lastReport = false, b.now
	b.refreshAlive()
	alive, open := 0, uint64(0)
	for i := range b.inboxes {
		if b.inboxes[i].alive {
			alive++
			open += b.status.Worker(i).Open()
		}
	}
	s := fmt.Sprintf("STATUS=%d workers, %d connections, %d waiting", alive, open, b.pending)
	if s == b.reported {
		return
	}
	if b.notify.Send(nil, s) == 0 {
		b.reported = s
	} else {
		b.dirty = true // the manager does not read right now
	}
}

// idle reports whether the broker may exit: systemd holds the listeners and
// starts it again.
func (b *Broker) idle() bool {
	if b.cfg.Idle == 0 || b.pending > 0 || b.now < b.lastActive+int64(b.cfg.Idle) || b.now < b.lastIdle+int64(idleEvery) {
		return false
	}
	b.lastIdle = b.now
	return !b.working()
}
