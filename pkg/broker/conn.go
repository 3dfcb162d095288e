// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"msrpcd/pkg/sys"
)

// state of a conn.
type state uint8

const (
	free      state = iota
	wantNPA         // np: the request is not complete yet
	wantBind        // the first PDU is not complete yet
	wantInbox       // decided, waits until an inbox has room
	wantSpare       // decided, waits for an idle spare
)

// conn is one connection that is not handed over yet. Its index in
// Broker.conns is its descriptor.
type conn struct {
	state      state
	parked     bool // an entry of it is in the parking
	registered bool // epoll watches it
	lists      uint8
	replied    bool // np: the request is answered
	needIdle   bool
	hungUp     bool   // the peer sends nothing more
	gen        uint16 // tells events of this conn from those of an earlier one
	binding    int16  // index into Broker.bindings
	frag       uint16 // length of the first PDU, 0 for a pipe without DCE/RPC
	worker     int16  // wantInbox: whose inbox
	slot       int16  // parked: where
	prev, next int32  // in fresh or slow
	need       int32  // bytes that must be there before a look makes sense
	groupID    uint32
	npaLevel   uint32
	id         uint64
	accepted   int64
	npa        []byte // np: the request as far as it was read
}

// list is a queue of conns in order of arrival, linked by descriptors.
type list struct{ head, tail int32 }

const end = int32(-1)

var emptyList = list{end, end}

const (
	inFresh = 1 + iota
	inSlow
)

func (b *Broker) listOf(c *conn) *list {
	if c.lists == inFresh {
		return &b.fresh
	}
	return &b.slow
}

func (b *Broker) enlist(fd int, which uint8) {
	c := &b.conns[fd]
	c.lists = which
	l := b.listOf(c)
	c.prev, c.next = l.tail, end
	if l.tail == end {
		l.head = int32(fd)
	} else {
		b.conns[l.tail].next = int32(fd)
	}
	l.tail = int32(fd)
	b.pending++
}

func (b *Broker) delist(fd int) {
	c := &b.conns[fd]
	if c.lists == 0 {
		return
	}
	l := b.listOf(c)
	if c.prev == end {
		l.head = c.next
	} else {
		b.conns[c.prev].next = c.next
	}
	if c.next == end {
		l.tail = c.prev
	} else {
		b.conns[c.next].prev = c.prev
	}
	c.lists = 0
	b.pending--
}

// admit makes a conn of an accepted descriptor.
func (b *Broker) admit(fd int, binding int) *conn {
	for len(b.conns) <= fd {
		b.conns = append(b.conns, conn{})
	}
	c := &b.conns[fd]
	*c = conn{gen: c.gen + 1, binding: int16(binding), id: b.nextID, accepted: b.now, npa: c.npa[:0]}
	b.nextID++
	return c
}

// drop forgets a conn and closes its descriptor. Whoever else holds the
// connection (a worker, not the parking) keeps it.
func (b *Broker) drop(fd int) {
	c := &b.conns[fd]
	b.unpark(c)
	if c.registered {
		b.ep.Delete(fd) // the open file may live on in a worker
	}
	b.delist(fd)
	if c.state == wantInbox || c.state == wantSpare {
		b.waiting--
	}
	if cap(c.npa) > 4096 {
		c.npa = nil // do not keep what one large token needed
	}
	c.state = free
	sys.Close(fd)
}

// refuse closes a connection that is not served.
func (b *Broker) refuse(fd int) {
	b.status.Broker().Refused.Add(1)
	b.drop(fd)
}
