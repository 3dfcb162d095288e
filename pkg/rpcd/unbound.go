// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"

	"msrpcd/pkg/journal"
)

// unbound are the connections that have not bound yet, the oldest first. They
// have the bind timeout to do so (0: none), and when there are too many of them the
// oldest has to go: silent clients never keep a talking one out.
type unbound struct {
	first, last *conn
	n           int
}

// place is a connection's place in the list.
type place struct {
	before, after *conn
	in            bool
}

// add appends c and closes the first when there are too many.
func (u *unbound) add(l *loop, c *conn) {
	c.since = l.now
	c.waiting = place{before: u.last, in: true}
	if u.last != nil {
		u.last.waiting.after = c
	} else {
		u.first = c
	}
	u.last = c
	if u.n++; u.n > l.env.maxUnbound && l.env.maxUnbound > 0 {
		u.first.complain(l, slog.LevelWarn, "unbound", journal.IDLimit,
			"too many connections without a complete bind, the oldest is closed: see MaxUnbound= in msrpcd.conf(5)")
		u.first.close(l)
	}
}

// remove takes c out; a connection that is not in the list stays out.
func (u *unbound) remove(c *conn) {
	w := c.waiting
	if !w.in {
		return
	}
	if w.before != nil {
		w.before.waiting.after = w.after
	} else {
		u.first = w.after
	}
	if w.after != nil {
		w.after.waiting.before = w.before
	} else {
		u.last = w.before
	}
	c.waiting = place{}
	u.n--
}

// expire closes those whose time is over.
func (u *unbound) expire(l *loop) {
	for c := u.first; c != nil && l.env.bindTimeout > 0 && l.now-c.since >= l.env.bindTimeout; c = u.first {
		c.complain(l, slog.LevelInfo, "bind timeout", journal.IDBindTimeout, "no complete bind in time: connection closed")
		c.close(l)
	}
}
