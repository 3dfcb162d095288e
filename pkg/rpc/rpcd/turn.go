// SPDX-License-Identifier: Apache-2.0

package rpcd

import "time"

// This file owns whose turn it is. A turn of a connection is turnPDUs PDUs or
// turnTime. Who has more to be served, or is of a source that had its share of
// this round of the loop, waits in the queue of its source, and nothing more is
// read of it. Sources take turns, and in each round those who wait get turnTime
// altogether: one who calls now and then waits for at most that long, however
// many calls others have sent ahead, and on however many connections. Of a source
// those come first that had less than turnTime in the last sparseTime and left
// nothing unserved: behind one address there may be many clients.
//
// A source that is in the list is held in the ledger.

const (
	turnPDUs = 16
	turnTime = 100 * time.Microsecond

	sparseTime = 10 * time.Millisecond
)

// turns is the list of the sources with connections that wait for a turn.
type turns struct {
	first, last *holder
	round       uint64        // of the loop
	spent       time.Duration // in this round, by all
}

// turn gives a connection that has something to be read its turn, now or later.
func (c *conn) turn(l *loop) {
	if c.queued {
		return
	}
	own, t := &c.from.Own, &l.turns
	if own.listed || own.round == t.round && own.spent > 0 && (own.spent >= turnTime || t.spent >= 2*turnTime) {
		l.enqueue(c)
		c.watch(l)
		return
	}
	c.readable(l)
}

// spend counts the time since start for a connection and its source.
func (l *loop) spend(c *conn, start time.Duration) {
	own, t := &c.from.Own, &l.turns
	if own.round != t.round {
		own.round, own.spent = t.round, 0
	}
	d := l.Tick() - start
	own.spent += d
	if l.Now-c.usedSince > sparseTime {
		c.usedSince, c.used = l.Now, 0
	}
	c.used += d
	t.spent += d
}

// enqueue has a connection wait for its turn.
func (l *loop) enqueue(c *conn) {
	if c.queued {
		return
	}
	own := &c.from.Own
	own.ready.by, own.sparse.by = byTurn, byTurn
	if c.sparse = !c.more && (c.used < turnTime || l.Now-c.usedSince > sparseTime); c.sparse {
		own.sparse.push(c)
	} else {
		own.ready.push(c)
	}
	c.queued = true
	l.list(c.from)
}

// dequeue has it wait no more.
func (c *conn) dequeue() {
	if c.queued {
		c.queued = false
		if c.sparse {
			c.from.Own.sparse.remove(c)
		} else {
			c.from.Own.ready.remove(c)
		}
	}
}

// list has a source wait, of which a connection waits.
func (l *loop) list(h *holder) {
	t := &l.turns
	if h.Own.listed {
		return
	}
	h.Own.listed = true
	l.ledger.Again(h)
	if t.last == nil {
		t.first = h
	} else {
		t.last.Own.next = h
	}
	t.last = h
}

// serveQueued ends a round: those who wait get their time.
func (l *loop) serveQueued() {
	t := &l.turns
	for end := l.Now + turnTime; t.first != nil && l.Now < end; {
		h := t.first
		if t.first = h.Own.next; t.first == nil {
			t.last = nil
		}
		h.Own.next, h.Own.listed = nil, false
		c := h.Own.sparse.first
		if c == nil {
			c = h.Own.ready.first
		}
		if c != nil {
			if c.dequeue(); h.Own.ready.n+h.Own.sparse.n > 0 {
				l.list(h)
			}
			if c.more {
				c.proceed(l, nil)
			} else {
				c.readable(l)
			}
		}
		l.ledger.Leave(h)
	}
	t.round++
	t.spent = 0
}
