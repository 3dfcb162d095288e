// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"time"

	"msrpcd/pkg/host/sys"
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
	state    state
	stage    stage
	replied  bool // np: the request is answered
	needIdle bool
	hungUp   bool   // the peer sends nothing more
	gen      uint16 // distinguishes events of this conn from those of an earlier one
	binding  int16  // index into Broker.bindings
	frag     uint16 // length of the first PDU, 0 for a pipe without DCE/RPC
	worker   int16  // wantInbox: whose inbox
	slot     int16  // parked: where
	crowd    *crowd // silent: of its source, nil while that was not looked at
	links    [nLinks]link
	need     int32 // bytes that must be there before a look makes sense
	groupID  uint32
	npaLevel uint32
	id       uint64
	accepted time.Duration
	request  int32         // np: bytes of the request in taken
	stream   int32         // bytes of the stream that hold the first PDU, once it is whole
	stalled  bool          // in Broker.stalled
	lookAt   time.Duration // stalled: when to look
	taken    []byte        // what was read: on np the request, then the first bytes of the first PDU
}

// npa is the named pipe auth request, as far as it was read.
func (c *conn) npa() []byte { return c.taken[:c.request] }

// head is what was read of the first PDU.
func (c *conn) head() []byte { return c.taken[c.request:] }

// admit makes a conn of an accepted descriptor.
func (b *Broker) admit(fd int, binding int) *conn {
	for len(b.conns) <= fd {
		b.conns = append(b.conns, conn{})
	}
	c := &b.conns[fd]
	*c = conn{gen: c.gen + 1, binding: int16(binding), id: b.nextID, accepted: b.loop.Now, taken: c.taken[:0]}
	b.nextID++
	return c
}

// drop forgets a conn and closes its descriptor. What else holds the
// connection (a worker, not the parking) keeps it.
func (b *Broker) drop(fd int) {
	c := &b.conns[fd]
	b.leave(fd)
	b.waiting.heads -= len(c.head())
	if c.request, c.taken = 0, c.taken[:0]; cap(c.taken) > 4096 {
		c.taken = nil // do not keep what one large token needed
	}
	c.state = free
	sys.Close(fd)
}

// refuse closes a connection that is not served.
func (b *Broker) refuse(fd int) {
	b.status.Broker().Refused.Add(1)
	b.drop(fd)
}
