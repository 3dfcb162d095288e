// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"time"

	"msrpcd/pkg/host/journal"
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
	if b.waiting.at[late].head != end || b.parking.lotIncomplete {
		at(b.parking.retryAt)
	}
	if b.waiting.silent.head != end {
		at(b.conns[b.waiting.silent.head].accepted + b.cfg.BindTimeout)
	}
	if b.waiting.stalled.head != end {
		at(b.conns[b.waiting.stalled.head].lookAt)
	}
	if b.waiting.deciding() > 0 {
		at(b.loop.Now + searchEvery)
	}
	if fd := b.waiting.spare.head; fd != end && b.loop.Now < b.conns[fd].accepted+idleGrace {
		at(b.loop.Now + time.Millisecond)
	}
	if b.cfg.Idle > 0 && b.waiting.n == 0 {
		at(max(b.last.active+b.cfg.Idle, b.last.idleLook+idleEvery))
	}
	return next
}

// expire does what is due: parks, cuts off those who never bind, tries again
// where a worker could not be reached.
func (b *Broker) expire() {
	b.readStalled()
	if b.parking.retryAt <= b.loop.Now {
		b.parkLate()
	}
	for b.waiting.silent.head != end && b.conns[b.waiting.silent.head].accepted+b.cfg.BindTimeout <= b.loop.Now {
		if fd := int(b.waiting.silent.head); b.stillSilent(fd) {
			b.logOnce(journal.Notice, "bind timeout", journal.IDBindTimeout, fd,
				fmt.Sprintf("no complete bind in %v: closed", b.cfg.BindTimeout))
			b.refuse(fd)
		}
	}
	if b.waiting.deciding() > 0 {
		b.retry()
		if b.last.sweep+sweepEvery <= b.loop.Now {
			b.sweep()
		}
	}
	if b.needRoom {
		b.needRoom = false
		b.closeOldestSilent(-1)
	}
	b.door.Resume()
}

// retry looks again after the conns that no worker could take.
func (b *Broker) retry() {
	for i := range b.workers.inboxes {
		if in := &b.workers.inboxes[i]; passed(in.retryAt, b.loop.Now) || passed(in.fullAt, b.loop.Now) {
			b.flush(i)
		}
	}
	b.rerouteStalled()
	for fd := b.waiting.spare.head; fd != end; {
		next := b.conns.after(&b.waiting.spare, fd)
		b.handOver(int(fd))
		fd = next
	}
}

// passed reports whether a time was set and is over.
func passed(at, now time.Duration) bool { return at > 0 && at <= now }

// rerouteStalled takes new groups away from workers that do not read, as soon as there
// is another one.
func (b *Broker) rerouteStalled() {
	fit, stuck := false, false
	b.refreshAlive()
	for i := range b.cfg.Workers {
		b.workers.loads[i] = b.loadOf(i)
		if b.workers.loads[i].blocked() {
			stuck = stuck || len(b.workers.inboxes[i].queue) > 0
		} else {
			fit = fit || len(b.workers.inboxes[i].queue) == 0
		}
	}
	if !fit || !stuck {
		return
	}
	for i := range b.cfg.Workers {
		if b.workers.loads[i].blocked() {
			b.reroute(i)
		}
	}
}

// idle reports whether the broker may exit: systemd holds the listeners and
// starts it again.
func (b *Broker) idle() bool {
	if b.cfg.Idle == 0 || b.waiting.n > 0 || b.loop.Now < b.last.active+b.cfg.Idle || b.loop.Now < b.last.idleLook+idleEvery {
		return false
	}
	b.last.idleLook = b.loop.Now
	return !b.working()
}
