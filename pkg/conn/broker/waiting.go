// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/event"
)

// This file owns the conns that wait. Three verbs change what they are:
//
//	wait   it waits from now on, or for something else
//	park   it goes into the parking too, as soon as that takes it (park.go);
//	       wait does so at once, before the loop takes up anything else
//	leave  it waits no more
//
// What always holds between two events, and a test checks after each of many
// thousand random ones:
//
//   - A conn that waits has a stage and is in the list of that stage alone; epoll
//     watches it. Any other conn is in no list. waiting.n counts those that wait.
//   - It is in the parking's message exactly while its stage is parked, unless
//     lotIncomplete says that messages are to be sent again. The parking has no
//     other connection.
//   - While its bind is not complete (wantNPA, wantBind) it is in silent, in order
//     of arrival; only there can it be in stalled and, once, in the crowd of its
//     source. While it waits for a spare it is in spare, while it waits for an
//     inbox it is once in the queue of that inbox.
//   - No source, and not all together, have more silent conns than the limits say.
//   - No conn waits for its bind longer than it may, and due is never later than
//     the next thing to do.
//   - No conn is loose but the one that the loop has in hand: a broker that is
//     killed, at any moment, costs one client, and those that the parking has not
//     taken. This holds within an event, too, whenever a connection is accepted.
//   - What waited when the broker ended waits again in the next one, with the same
//     age: all that was parked after a crash, and all else too after a stop.

// stage of a conn that waits.
type stage uint8

const (
	inHand stage = iota // it does not wait: the loop has it in hand, or it is free
	loose               // it waits, and is out of the parking for a moment
	parked              // it is in the parking
	late                // the parking did not take it: it is tried again, in order
	nStages
)

// waiting is what the broker knows of all that wait.
type waiting struct {
	at      [nStages]list // by stage
	n       int
	silent  list
	spare   list
	stalled list // silent ones on unix sockets with a part of their PDU
	crowds  source.Ledger[list]
	heads   int // bytes that were read of first PDUs
}

// crowd has the silent conns of a source.
type crowd = source.Holder[list]

func (w *waiting) init(limits [source.Resources]source.Limit) {
	w.crowds.Limits = limits
	w.silent, w.spare, w.stalled = newList(byRole), newList(byRole), newList(byStall)
	for s := range w.at {
		w.at[s] = newList(byStage)
	}
}

// deciding is how many wait with a whole bind.
func (w *waiting) deciding() int { return w.n - w.silent.n }

// silent says of a state that the bind is not complete.
func (s state) silent() bool { return s == wantNPA || s == wantBind }

// wait lets a conn wait for what s says; epoll says when more arrives. That is
// edge-triggered: what has been peeked at does not wake the loop again, and what
// came before is reported at once.
func (b *Broker) wait(fd int, s state) {
	c := &b.conns[fd]
	switch {
	case c.stage == inHand:
		c.state = s
		b.enter(fd, loose)
		if b.waiting.at[late].head != end {
			b.parkLater(fd)
		}
	case c.state != s:
		b.leaveRole(fd)
		c.state = s
		b.enterRole(fd)
	}
	if s == wantBind && c.crowd == nil { // np: not before the request names the client's address
		b.count(fd)
	}
	if c.stage == loose {
		b.park(fd)
	}
}

// enter puts a conn into the list of its first stage, and all that belongs to it.
func (b *Broker) enter(fd int, s stage) {
	c := &b.conns[fd]
	c.stage = s
	b.conns.push(&b.waiting.at[s], fd)
	b.waiting.n++
	b.enterRole(fd)
	b.loop.Add(fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET, event.Token(kindConn, uint32(c.gen), fd))
}

// move changes the stage of a conn that waits.
func (b *Broker) move(fd int, s stage) {
	c := &b.conns[fd]
	b.conns.remove(&b.waiting.at[c.stage], fd)
	c.stage = s
	b.conns.push(&b.waiting.at[s], fd)
}

// leave ends the wait of a conn.
func (b *Broker) leave(fd int) {
	c := &b.conns[fd]
	if c.stage == inHand {
		return
	}
	b.unpark(fd)
	b.loop.Delete(fd) // the open file may live on in a worker
	b.conns.remove(&b.waiting.at[c.stage], fd)
	c.stage = inHand
	b.waiting.n--
	b.leaveRole(fd)
}

// enterRole and leaveRole stand around each change of the state of a conn that
// waits, but for that from wantNPA to wantBind, which both are silent.
func (b *Broker) enterRole(fd int) {
	switch s := b.conns[fd].state; {
	case s.silent():
		b.conns.push(&b.waiting.silent, fd)
	case s == wantSpare:
		b.conns.push(&b.waiting.spare, fd)
	}
}

func (b *Broker) leaveRole(fd int) {
	switch s := b.conns[fd].state; {
	case s.silent():
		b.conns.remove(&b.waiting.silent, fd)
		b.uncount(fd)
		b.unstall(fd)
	case s == wantSpare:
		b.conns.remove(&b.waiting.spare, fd)
	}
}
