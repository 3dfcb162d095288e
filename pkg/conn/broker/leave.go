// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
)

// This file lets go of conns that wait with a whole first PDU and that no worker
// has to see: clients that have left, and those that ask for an association
// group that ended with its worker.
//
// A client that has closed only its sending side may still want answers to what
// it sent. One that sent nothing but its bind has asked nothing and can ask
// nothing more, so it has left; one with calls behind its bind is given to a
// worker, as samba-dcerpcd does, unless that takes longer than a bind may.

// sweepEvery is how often those are looked for.
const sweepEvery = time.Second

// hasLeft reports whether the client of a conn that waits for a worker has left,
// from what epoll says of it.
func (b *Broker) hasLeft(fd int, events uint32) bool {
	c := &b.conns[fd]
	if c.state != wantInbox && c.state != wantSpare {
		return false
	}
	if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		return true
	}
	if !c.hungUp || b.bindings[c.binding].raw {
		return false
	}
	n, errno := sys.Available(fd)
	return errno == 0 && n+len(c.head()) <= int(c.stream)
}

// clientLeft forgets a conn whose client has left.
func (b *Broker) clientLeft(fd int) {
	b.status.Broker().Left.Add(1)
	c := &b.conns[fd]
	queued := c.state == wantInbox
	b.drop(fd)
	if queued {
		b.unqueue(int(c.worker))
	}
}

// sweep looks for those that have closed their sending side and have waited for
// too long.
func (b *Broker) sweep() {
	b.last.sweep = b.loop.Now
	for fd := range b.conns {
		c := &b.conns[fd]
		if c.hungUp && (c.state == wantInbox || c.state == wantSpare) && c.accepted+b.cfg.BindTimeout <= b.loop.Now {
			b.clientLeft(fd)
		}
	}
}

// groupEnded reports whether the association group ended that the conn asks for:
// no process has the line of the group's worker or left connections for the next
// one in it, and nothing is on its way. A group of another worker lives there, if
// anywhere, and a worker that is started now has none: no client may start it by
// asking.
func (b *Broker) groupEnded(c *conn) bool {
	i := int(c.groupID >> (32 - b.cfg.IndexBits))
	if c.groupID == 0 || i >= len(b.workers.inboxes) {
		return false
	}
	b.refreshAlive()
	w, in := b.status.Worker(i), &b.workers.inboxes[i]
	if in.alive || w.Flags.Load()&status.Kept != 0 || w.Open() > 0 || w.Groups.Load() > 0 {
		return false
	}
	if b.status.Sent(i).Sent.Load() > w.Received.Load() || len(in.queue) > 0 {
		return false
	}
	if n, errno := sys.SendQueue(in.fd); in.fd >= 0 && (errno != 0 || n > 0) {
		return false
	}
	return !b.status.WorkerAlive(i) // last, since what it sees holds from then on
}

// nak answers a bind with the reason, and closes.
func (b *Broker) nak(fd int, bind dcerpc.Bind, reason uint16, np bool) {
	out := b.out[:0]
	if np {
		out = append(out, dcerpc.BindNakSize, 0)
	}
	b.out = dcerpc.AppendBindNak(out, bind.BigEndian, bind.CallID, reason)
	// What is unread at close would reset the connection under the answer.
	sys.Recv(fd, b.in[:], 0)
	sys.Send(fd, b.out)
	b.refuse(fd)
}
