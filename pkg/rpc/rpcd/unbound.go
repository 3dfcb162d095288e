// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
)

// unbound are the connections that have not bound yet. They have the bind timeout
// to do so (0: none), and the oldest of a source go when there are too many of it:
// silent clients never keep a talking one out. It means the same as in a broker;
// here, too, one whose bind is there at once is not counted.
type unbound struct{ all queue }

// add takes in a new connection.
func (u *unbound) add(l *loop, c *conn) {
	c.since, c.silent, c.counted = l.Now, true, false
	u.all.push(c)
}

// count is called when a connection has to wait. It puts one that has told whose
// it is among those of its source, of which the oldest goes when there are too many.
func (u *unbound) count(l *loop, c *conn) {
	if c.counted || !c.silent || c.phase != serving {
		return
	}
	c.counted = true
	for !l.ledger.Take(c.from, source.Unbound, 1) {
		if oldest := c.from.Own.silent.first; oldest.stillSilent(l) {
			oldest.limit(l, source.Unbound, true, "the oldest are closed")
			oldest.close(l)
		}
	}
	c.from.Own.silent.push(c)
}

// remove takes c out; a connection that is not in stays out.
func (u *unbound) remove(l *loop, c *conn) {
	if !c.silent {
		return
	}
	c.silent = false
	u.all.remove(c)
	if c.counted {
		c.from.Own.silent.remove(c)
		l.ledger.Give(c.from, source.Unbound, 1)
	}
}

// expire closes those whose time is over.
func (u *unbound) expire(l *loop) {
	for c := u.all.first; c != nil && l.env.BindTimeout > 0 && l.Now-c.since >= l.env.BindTimeout; c = u.all.first {
		if c.stillSilent(l) {
			c.complain(l, journal.Notice, "bind timeout", journal.IDBindTimeout, "no complete bind in time: connection closed")
			c.close(l)
		}
	}
}

// stillSilent reports whether a connection is silent that is to be closed for it. Its
// bind may have come since the loop looked, and lie behind events of others.
func (c *conn) stillSilent(l *loop) bool {
	c.readable(l)
	return c.silent
}
