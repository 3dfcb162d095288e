// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/sys"
)

// choose brings the table of loads up to date and routes a conn.
func (b *Broker) choose(c *conn) int {
	b.refreshAlive()
	n := b.cfg.Workers
	if c.needIdle || c.groupID != 0 {
		n = len(b.workers.inboxes)
	}
	runs := false
	for i := 0; i < n; i++ {
		b.workers.loads[i] = b.loadOf(i)
		runs = runs || b.workers.loads[i].running
		if b.workers.loads[i].draining || i == b.cfg.Workers-1 && !runs {
			n = len(b.workers.inboxes) // a spare may stand in for it
		}
	}
	i := route(b.workers.loads, &b.cfg, c.groupID, c.needIdle)
	if i == none && c.needIdle && b.loop.Now-c.accepted > spareWait {
		i = fewestConns(b.workers.loads, b.cfg.Workers)
	}
	if i == none && !c.needIdle {
		i = b.spareFor()
	}
	if c.needIdle && c.groupID == 0 && i != none && b.loop.Now < c.accepted+idleGrace && freesSoon(b.workers.loads, b.cfg.Workers, i) {
		return none
	}
	return i
}

// freesSoon reports whether the chosen spare would have to be started while another one
// that runs has a single client. An rpcd that starts calls one after the other, and its
// last connection may have ended without that being known here yet.
func freesSoon(loads []load, first, chosen int) bool {
	if chosen < first || loads[chosen].running {
		return false
	}
	for i := first; i < len(loads); i++ {
		if l := &loads[i]; l.running && !l.draining && !l.leaving && l.open == 1 && l.inflight == 0 {
			return true
		}
	}
	return false
}

// spareFor is a spare for a conn that no ordinary worker can take, since none of
// their inboxes is there.
func (b *Broker) spareFor() int {
	for i := b.cfg.Workers; i < len(b.workers.inboxes); i++ {
		b.workers.loads[i] = b.loadOf(i)
	}
	if i := idleSpare(b.workers.loads, b.cfg.Workers); i != none {
		return i
	}
	return fewestConns(b.workers.loads, b.cfg.Workers)
}

// loadOf reads what worker i says of itself. Its line is not trusted with
// anything but this comparison.
func (b *Broker) loadOf(i int) load {
	in, w := &b.workers.inboxes[i], b.status.Worker(i)
	received, flags := w.Received.Load(), w.Flags.Load()
	l := load{
		running:  in.alive && flags&status.Ready != 0,
		draining: in.alive && flags&status.Draining != 0,
		leaving:  in.alive && flags&status.Leaving != 0,
		absent:   in.missing && in.retryAt > b.loop.Now,
	}
	if sent := b.status.Sent(i).Sent.Load(); sent > received {
		l.inflight = sent - received
	}
	if in.seen != received || l.inflight == 0 {
		in.seen, in.seenAt = received, b.loop.Now
	}
	if l.running {
		l.open = w.Open()
		l.groups = uint64(w.Groups.Load())
		l.stalled = b.loop.Now-in.seenAt > stallAfter
	} else {
		l.stalled = b.loop.Now-in.seenAt > startPatience
	}
	l.groups += l.inflight
	return l
}

// refreshAlive asks the kernel which workers live (they hold a lock on their
// line), at most every aliveEvery, and at once about a new one.
func (b *Broker) refreshAlive() {
	all := b.loop.Now-b.workers.lookedAt > aliveEvery
	if all {
		b.workers.lookedAt = b.loop.Now
	}
	for i := range b.workers.inboxes {
		in := &b.workers.inboxes[i]
		id := b.status.Worker(i).StartID.Load()
		if id != in.startID || all && id != 0 {
			in.startID = id
			in.alive = b.status.WorkerAlive(i)
		}
	}
}

// working reports whether any worker lives or anything is on its way to one.
func (b *Broker) working() bool {
	for i := range b.workers.inboxes {
		if b.status.Worker(i).StartID.Load() != 0 && b.status.WorkerAlive(i) {
			return true
		}
		if in := &b.workers.inboxes[i]; in.fd >= 0 {
			if n, errno := sys.SendQueue(in.fd); errno == 0 && n > 0 {
				return true
			}
		}
	}
	return false
}
