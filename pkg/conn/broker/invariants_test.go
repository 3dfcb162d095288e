// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"testing"
	"time"

	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

// This file checks what waiting.go says of conns that wait, between two events.

type checker struct {
	*Broker
	err error
}

func (c *checker) must(ok bool, text string, args ...any) {
	if !ok && c.err == nil {
		c.err = fmt.Errorf(text, args...)
	}
}

// check reports what does not hold.
func (b *Broker) check() error {
	c := &checker{Broker: b}
	c.stages()
	c.roles()
	c.sources()
	c.times()
	c.progress()
	return c.err
}

// walk returns what is in a list, and checks its links.
func (c *checker) walk(l *list, name string) (fds []int) {
	before := end
	for fd := l.head; fd != end && len(fds) <= l.n; fd = c.conns.after(l, fd) {
		c.must(c.conns[fd].links[l.by].prev == before, "%s: conn %d has a wrong link", name, fd)
		fds, before = append(fds, int(fd)), fd
	}
	c.must(len(fds) == l.n && l.tail == before, "%s has %d conns and counts %d", name, len(fds), l.n)
	return fds
}

// stages: each conn that waits is in the list of its stage.
func (c *checker) stages() {
	n := 0
	for s := range c.waiting.at {
		for _, fd := range c.walk(&c.waiting.at[s], fmt.Sprint("stage ", s)) {
			c.must(c.conns[fd].stage == stage(s) && stage(s) != inHand, "conn %d of stage %d is in the list of %d", fd, c.conns[fd].stage, s)
			n++
		}
	}
	heads := 0
	for fd := range c.conns {
		conn := &c.conns[fd]
		c.must((conn.state == free) == (conn.stage == inHand), "conn %d has state %d and stage %d", fd, conn.state, conn.stage)
		if conn.state != free {
			n--
			heads += len(conn.head())
		}
	}
	c.must(n == 0, "%d conns are in lists and do not wait", n)
	c.must(c.waiting.n == c.waiting.at[parked].n+c.waiting.at[late].n, "%d wait, %d are loose", c.waiting.n, c.waiting.at[loose].n)
	c.must(c.parking.lot.Len() == c.waiting.at[parked].n, "%d are parked, the lot has %d", c.waiting.at[parked].n, c.parking.lot.Len())
	c.must(heads == c.waiting.heads, "%d bytes of first PDUs, %d are counted", heads, c.waiting.heads)
}

// roles: a conn is where its state says, in order of arrival.
func (c *checker) roles() {
	silent, spare, queued, stalled := 0, 0, map[int]int{}, 0
	for i := range c.workers.inboxes {
		for _, w := range c.workers.inboxes[i].queue {
			if conn := &c.conns[w.fd]; conn.id == w.id && conn.state == wantInbox && int(conn.worker) == i {
				queued[int(w.fd)]++
			}
		}
	}
	for fd := range c.conns {
		switch conn := &c.conns[fd]; {
		case conn.state.silent():
			silent++
		case conn.state == wantSpare:
			spare++
		case conn.state == wantInbox:
			c.must(queued[fd] == 1, "conn %d is %d times in the queue of inbox %d", fd, queued[fd], conn.worker)
		}
		if c.conns[fd].stalled {
			stalled++
		}
	}
	before := time.Duration(0)
	for _, fd := range c.walk(&c.waiting.silent, "silent") {
		c.must(c.conns[fd].state.silent() && c.conns[fd].accepted >= before, "conn %d of state %d is out of order in silent", fd, c.conns[fd].state)
		before = c.conns[fd].accepted
	}
	for _, fd := range c.walk(&c.waiting.spare, "spare") {
		c.must(c.conns[fd].state == wantSpare, "conn %d of state %d is in spare", fd, c.conns[fd].state)
	}
	for _, fd := range c.walk(&c.waiting.stalled, "stalled") {
		c.must(c.conns[fd].stalled && c.conns[fd].state.silent(), "conn %d of state %d is in stalled", fd, c.conns[fd].state)
	}
	c.must(c.waiting.silent.n == silent && c.waiting.spare.n == spare && c.waiting.stalled.n == stalled,
		"%d, %d and %d conns are silent, for a spare and stalled; in the lists are %d, %d and %d", silent, spare, stalled,
		c.waiting.silent.n, c.waiting.spare.n, c.waiting.stalled.n)
}

// sources: a silent conn is counted once for its source, within the limits.
func (c *checker) sources() {
	limits := c.cfg.Limits[source.Unbound]
	c.must(c.waiting.silent.n <= limits.Total, "%d conns are silent", c.waiting.silent.n)
	crowds := map[*crowd]int{}
	sources := 0
	for fd := range c.conns {
		if h := c.conns[fd].crowd; c.conns[fd].state.silent() && h != nil {
			if crowds[h]++; crowds[h] == 1 && h.Source != (source.Source{}) {
				sources++
			}
		}
	}
	c.must(c.waiting.crowds.Len() == sources, "%d sources of %d", c.waiting.crowds.Len(), sources)
	for h, n := range crowds {
		c.must(h.Use(source.Unbound) == n, "%d conns of %v are counted, %d are there", h.Use(source.Unbound), h.Source, n)
		for _, fd := range c.walk(&h.Own, fmt.Sprint("crowd ", h.Source)) {
			c.must(c.conns[fd].crowd == h && c.conns[fd].state.silent(), "conn %d is in the crowd of %v", fd, h.Source)
			n--
		}
		c.must(n == 0 && (h.Source == source.Source{} || crowds[h] <= limits.Address), "%d conns of %v are in its crowd %d times", crowds[h], h.Source, crowds[h]-n)
	}
}

// times: nothing is overdue, and the loop wakes up for what is to be done.
func (c *checker) times() {
	due, now := c.due(), c.loop.Now
	for fd := range c.conns {
		if conn := &c.conns[fd]; conn.state.silent() {
			end := conn.accepted + c.cfg.BindTimeout
			c.must(end > now && due <= end, "conn %d may wait for its bind until %v; it is %v, and the loop sleeps until %v", fd, end, now, due)
		}
	}
	c.must(c.waiting.deciding() == 0 || due <= now+searchEvery, "those with a bind wait until %v, it is %v", due, now)
	c.must(c.waiting.at[late].n == 0 && !c.parking.lotIncomplete || due <= now+parkEvery, "the parking is tried again at %v, it is %v", due, now)
}

// checkMessages holds what the descriptor store has against what is parked.
func (r *rig) checkMessages(t testing.TB, b *Broker) {
	t.Helper()
	if b.parking.lotIncomplete {
		return
	}
	r.service.Sync()
	slots, rest := parking.Slots(r.stored())
	if len(rest) > 0 {
		t.Fatalf("%v is in the store", rest)
	}
	n := 0
	for _, pair := range slots {
		must(t, parking.New(nil).Adopt(pair[0], pair[1], func(_ int, e parking.Entry, fd int, _ []byte) {
			n++
			found := false
			for i := range b.conns {
				c := &b.conns[i]
				found = found || c.id == e.ID && c.stage == parked && int(e.StateLen) == len(c.taken)
			}
			if sys.Close(fd); !found {
				t.Errorf("the parking has connection %x, which is not parked, or not with so much of it read", e.ID)
			}
		}))
		sys.Close(pair[0])
		sys.Close(pair[1])
	}
	check.Is(t, "connections in the parking", b.waiting.at[parked].n, n)
}
