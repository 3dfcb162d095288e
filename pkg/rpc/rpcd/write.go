// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"slices"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns the way out of a connection: answers are collected in loop.out
// while it is its turn, and sent at once. What the client does not take then is
// in conn.out and counted in the ledger; it goes first whenever there is room.

// reject answers a PDU that is not acceptable and, unless the connection may go
// on, ends it.
func (c *conn) reject(l *loop, rej *dcerpc.Reject, h dcerpc.Header, contextID uint16) {
	start := len(l.out)
	if c.state.bound {
		l.out = rej.AppendAnswer(l.out, h, contextID)
	} else {
		l.out = rej.AppendFirst(l.out, h)
	}
	c.frame(l, start)
	if !rej.Keep {
		c.complain(l, journal.Notice, rej.Cause, journal.IDBadPDU, "PDU refused: "+rej.Cause)
		c.phase = ending
	}
}

// frame puts the PDUs that were appended to l.out since start into messages, on
// a named pipe.
func (c *conn) frame(l *loop, start int) {
	if !l.endpoints[c.endpoint].Transport.Framed() || len(l.out) == start {
		return
	}
	pdus := append([]byte(nil), l.out[start:]...)
	l.out = l.out[:start]
	for len(pdus) > 0 {
		h, _, _ := dcerpc.ParseHeader(pdus, 0)
		n := int(h.FragLength)
		l.out = append(l.out, byte(n), byte(n>>8))
		l.out = append(l.out, pdus[:n]...)
		pdus = pdus[n:]
	}
}

// send sends l.out; what the client does not take now is kept.
func (c *conn) send(l *loop) {
	c.settle(l)
	out := l.out
	if cap(out) > keepBuffer {
		l.out = nil
	} else {
		l.out = out[:0]
	}
	if len(out) == 0 || c.fd < 0 {
		return
	}
	if len(c.out) == 0 {
		n, errno := sys.Send(c.fd, out)
		if errno != 0 && errno != unix.EAGAIN {
			c.close(l)
			return
		}
		if errno == 0 {
			out = out[n:]
		}
	}
	if !c.claim(l, source.Unsent, len(out)) {
		c.close(l)
		return
	}
	c.out = append(c.out, out...)
}

// drainOut goes on sending.
func (c *conn) drainOut(l *loop) {
	n, errno := sys.Send(c.fd, c.out)
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 {
		c.close(l)
		return
	}
	l.ledger.Give(c.from, source.Unsent, n)
	c.sent += n
	if c.out = c.out[n:]; len(c.out) > 0 {
		if c.sent >= len(c.out) { // one who takes all but a byte holds the memory of a byte
			c.out, c.sent = slices.Clone(c.out), 0
		}
		return
	}
	c.out, c.sent = nil, 0
	if c.phase == ending {
		c.linger(l)
		return
	}
	c.proceed(l, nil)
}

// linger closes after the last answer. What is unread would reset the
// connection under it.
func (c *conn) linger(l *loop) {
	sys.Recv(c.fd, l.in[:], 0)
	c.close(l)
}
