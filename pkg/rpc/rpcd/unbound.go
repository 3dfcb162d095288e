// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
)

// unbound are the connections that have not bound yet. They have the bind timeout
// to do so (0: none), and there is a limit for all of them and one for those of
// each source, both of which push out the oldest: silent clients never keep a
// talking one out, and one that floods pushes out only its own. It means the
// same as in a broker; here, too, one whose bind is there at once has no source.
type unbound struct {
	all     queue
	sources source.Table[queue]
}

// waiting is what a connection has of it.
type waiting struct {
	places  [nPlaces]place
	listed  bool  // in unbound.all
	counted bool  // its source was looked at
	source  int32 // in unbound.sources, source.None
}

// add takes in a new connection. When there are too many the oldest has to go.
func (u *unbound) add(l *loop, c *conn) {
	c.since, c.waiting = l.Now, waiting{listed: true, source: source.None}
	u.all.push(c)
	if limit := l.env.maxUnbound; limit > 0 && u.all.n > limit {
		l.evict(u.all.first, "MaxUnbound=", limit)
	}
}

// count is called when a connection has to wait. It puts one that has told whose
// it is among those of its source, of which the oldest goes when there are too many.
func (u *unbound) count(l *loop, c *conn) {
	if c.counted || !c.listed || c.phase != serving {
		return
	}
	c.counted = true
	from, ok := source.Of(l.endpoints[c.endpoint].Transport, c.fd, c.npaLevel, c.npaInfo())
	if !ok {
		return
	}
	limit, setting := l.env.maxPerSource, "MaxUnboundPerSource="
	if from.IsUser() {
		limit, setting = l.env.maxPerUser, "MaxUnboundPerUser="
	}
	if limit == 0 {
		return
	}
	for i := u.sources.Find(from); i != source.None && u.sources.At(i).n >= limit; i = u.sources.Find(from) {
		l.evict(u.sources.At(i).first, setting, limit)
	}
	if c.source = u.sources.Find(from); c.source == source.None {
		c.source = u.sources.Add(from, queue{by: bySource})
	}
	u.sources.At(c.source).push(c)
}

// remove takes c out; a connection that is not in stays out.
func (u *unbound) remove(c *conn) {
	if !c.listed {
		return
	}
	c.listed = false
	u.all.remove(c)
	if c.source == source.None {
		return
	}
	q := u.sources.At(c.source)
	if q.remove(c); q.n == 0 {
		u.sources.Remove(c.source)
	}
	c.source = source.None
}

// evict closes a connection for a limit.
func (l *loop) evict(c *conn, setting string, limit int) {
	c.complain(l, slog.LevelWarn, setting, journal.IDLimit,
		fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
	c.close(l)
}

// expire closes those whose time is over.
func (u *unbound) expire(l *loop) {
	for c := u.all.first; c != nil && l.env.bindTimeout > 0 && l.Now-c.since >= l.env.bindTimeout; c = u.all.first {
		c.complain(l, journal.Notice, "bind timeout", journal.IDBindTimeout, "no complete bind in time: connection closed")
		c.close(l)
	}
}
