// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
)

// This file owns what clients may take up, in all and for each source (package
// source). A source that has its share pays itself: its longest idle connection
// goes, or what it asks for is refused. When more than a total is held, which is
// looked at between events, the largest holder pays, never a newcomer. Root on
// ncalrpc, and the SMB server where it speaks for no client, have no share.
//
// Association groups have no limit of their own: each has a bound connection.

type holder = source.Holder[crowd]

// crowd is what is known of one source.
type crowd struct {
	silent queue // connections that wait for their bind, the oldest first
	bound  queue // the longest idle first
	gone   int   // blocking operations that run on without their client

	// Of auth.go.
	shaking queue   // handshakes that are not over, of the oldest one first
	steps   int     // that go on
	later   []*step // wait for their end

	// Of turn.go.
	ready  queue
	sparse queue   // come before these
	next   *holder // in loop.turns
	listed bool    // there
	round  uint64  // of spent
	spent  time.Duration
}

// limited has the names of resources in messages about limits.
var limited = [source.Resources]struct{ what, setting string }{
	source.Unbound:    {"connections without a bind", "MaxUnbound"},
	source.Bound:      {"bound connections", "MaxBound"},
	source.Handles:    {"context handles", "MaxHandles"},
	source.Partial:    {"bytes of unfinished requests", "MaxPartial"},
	source.Blocking:   {"blocking operations", "MaxBlocking"},
	source.Securities: {"security contexts", "MaxSecurityContexts"},
	source.Handshakes: {"unfinished handshakes", "MaxHandshakes"},
	source.Unsent:     {"bytes of answers that clients do not take", "MaxUnsent"},
}

// limitText says which limit was reached and what happens then.
func (l *loop) limitText(h *holder, r source.Resource, share bool, then string) (setting, text string) {
	n, whose := l.env.Limits[r].Total, "in all"
	setting = limited[r].setting
	if share {
		n, whose, setting = l.env.Limits[r].Share(h.Source), "of one source", setting+"PerSource"
		if h.IsUser() && r == source.Unbound {
			setting = "MaxUnboundPerUser"
		}
	}
	setting += "="
	return setting, fmt.Sprintf("more than %d %s %s: %s; see %s in msrpcd.conf(5)", n, limited[r].what, whose, then, setting)
}

// limit logs that a connection meets a limit.
func (c *conn) limit(l *loop, r source.Resource, share bool, then string) {
	setting, text := l.limitText(c.from, r, share, then)
	c.complain(l, slog.LevelWarn, setting, journal.IDLimit, text)
}

// bound counts a connection that has bound. One that is resumed has its place
// whatever the share is.
func (l *loop) bound(c *conn, resumed bool) {
	for !resumed && !l.ledger.Take(c.from, source.Bound, 1) {
		idle := c.from.Own.bound.first
		if idle == nil {
			resumed = true
			break
		}
		idle.limit(l, source.Bound, true, "the longest idle one is closed")
		idle.close(l)
	}
	if resumed {
		l.ledger.Force(c.from, source.Bound, 1)
	}
	c.from.Own.bound.push(c)
}

// claim takes n more of r for c. When its source has its share, the connection of that
// source that has the most pays, if it is not c: more than one client may be behind
// an address. false: c gets no more.
func (c *conn) claim(l *loop, r source.Resource, n int) bool {
	for !l.ledger.Take(c.from, r, n) {
		most, size := c, c.amount(r)+n
		for _, q := range []*queue{&c.from.Own.silent, &c.from.Own.bound} {
			for k := q.first; k != nil; k = k.places[q.by].after {
				if k != c && k.amount(r) > size {
					most, size = k, k.amount(r)
				}
			}
		}
		if most == c {
			c.limit(l, r, true, "it is refused")
			return false
		}
		most.limit(l, r, true, "the connection that has the most of them is closed")
		most.close(l)
	}
	return true
}

// amount is what a connection has of r that closing it gives back.
func (c *conn) amount(r source.Resource) int {
	switch r {
	case source.Partial:
		return len(c.in) + c.held
	case source.Blocking:
		return c.running
	case source.Unsent:
		return len(c.out)
	case source.Securities:
		return len(c.state.securities)
	}
	return 0
}

// reclaim has the largest holders give up what is held beyond the totals.
func (l *loop) reclaim() {
	l.shrink()
	for r := range source.Resources {
		for l.ledger.Over(r) {
			before := l.ledger.Total(r)
			if !l.pay(r) || l.ledger.Total(r) >= before {
				break
			}
		}
	}
}

// pay closes the connection of the largest holder of r that was idle the longest,
// of handles all those of its association group.
func (l *loop) pay(r source.Resource) bool {
	c := (*conn)(nil)
	h := l.ledger.Largest(r)
	switch {
	case h == nil && r == source.Unbound:
		c = l.unbound.all.first
	case h == nil:
	case r == source.Unbound:
		c = h.Own.silent.first
	case r == source.Bound:
		c = h.Own.bound.first
	case r == source.Handshakes:
		c = h.Own.shaking.first
	default:
		c = l.idlestHolding(h, r)
	}
	if c == nil {
		return false
	}
	if r == source.Unbound && !c.stillSilent(l) {
		return true
	}
	c.limit(l, r, false, "the longest idle one of the source that has the most is closed")
	if r == source.Handles {
		l.closeGroup(c.state.group)
	}
	c.close(l)
	return true
}

func (l *loop) idlestHolding(h *holder, r source.Resource) (idle *conn) {
	for _, c := range l.conns {
		if c != nil && c.holds(l, h, r) && (idle == nil || c.active < idle.active) {
			idle = c
		}
	}
	return idle
}

// holds reports whether a connection has some of r that is counted for h.
func (c *conn) holds(l *loop, h *holder, r source.Resource) bool {
	if r == source.Handles {
		g := c.state.group
		if g == nil || g.owner != h {
			return false
		}
		l.handles.Lock()
		defer l.handles.Unlock()
		return len(g.handles) > 0
	}
	return c.from == h && c.amount(r) > 0
}

// room reports whether there is a descriptor for one more connection. Where
// descriptors are short, which may be sooner than the totals say, the source
// with the most connections pays, too.
func (l *loop) room() bool {
	return !l.fewDescriptors() || l.makeRoom()
}

func (l *loop) fewDescriptors() bool { return l.descriptors() >= l.fdLimit-spareFDs }

func (l *loop) makeRoom() bool {
	r, bound, silent := source.Bound, l.ledger.Largest(source.Bound), l.ledger.Largest(source.Unbound)
	if bound == nil || silent != nil && silent.Use(source.Unbound) > bound.Use(source.Bound) {
		r = source.Unbound
	}
	l.causes.Log(l.log, slog.LevelWarn, "descriptors", journal.IDLimit,
		"descriptors run out: the longest idle connections of the source that has the most are closed; look at LimitNOFILE= of this unit")
	return l.pay(r)
}
