// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// This file owns the way in of a connection: bytes are read, taken apart into
// PDUs, and these are served one after the other, each once the answers to the
// one before are on their way. While a client does not take its answers, or has
// a blocking operation running, nothing of it is read. What is left of the
// bytes is in conn.in and counted in the ledger.

// readable reads what is there and serves it.
func (c *conn) readable(l *loop) {
	if c.phase == wantNPA {
		c.readNPA(l)
		return
	}
	have := copy(l.in[:], c.in)
	n, errno := sys.Recv(c.fd, l.in[have:min(have+readTurn, len(l.in))], 0)
	if errno == unix.EAGAIN {
		c.watch(l)
		return
	}
	if errno != 0 || n == 0 {
		c.close(l)
		return
	}
	c.proceed(l, l.in[:have+n])
}

// proceed serves a turn's worth of the whole PDUs in stream, or in what was kept
// when stream is nil, keeps the rest and sends the answers.
func (c *conn) proceed(l *loop, stream []byte) {
	if stream == nil {
		stream = l.in[:copy(l.in[:], c.in)]
	}
	// Its bytes are the loop's now: those of a request would be counted twice.
	l.ledger.Give(c.from, source.Partial, len(c.in))
	c.in = c.in[:0]
	start, served := l.Now, 0
	incomplete := false
	c.more = false
	for c.phase == serving && !c.busy() && len(c.out) == 0 {
		pdu, used, rej := c.next(l, stream)
		if rej != nil {
			c.reject(l, rej, pdu.Header, 0)
			break
		}
		if incomplete = used == 0; incomplete {
			break
		}
		if c.more = served == turnPDUs || served > 0 && l.Tick()-start >= turnTime; c.more {
			break
		}
		served++
		stream = stream[used:]
		c.serve(l, pdu)
		if len(l.out) >= keepBuffer {
			c.send(l)
		}
		if c.fd < 0 {
			return
		}
	}
	if incomplete && len(stream) > len(l.in)-maxRead {
		c.phase = ending // more than the longest PDU, and yet none
	}
	c.keep(l, stream)
	c.send(l)
	if c.fd < 0 {
		return
	}
	l.spend(c, start)
	if c.more && c.phase == serving && len(c.out) == 0 {
		l.enqueue(c)
	} else {
		c.dequeue()
	}
	if c.phase == ending && len(c.out) == 0 {
		c.linger(l)
		return
	}
	c.watch(l)
}

// keep remembers what could not be served yet.
func (c *conn) keep(l *loop, stream []byte) {
	if c.phase != serving {
		stream = nil
	}
	if len(stream) == 0 {
		c.in = nil
		return
	}
	if !c.claim(l, source.Partial, len(stream)) {
		if pdu, used, rej := c.next(l, stream); used > 0 && rej == nil {
			c.reject(l, errPartial, pdu.Header, 0)
		}
		c.in, c.phase = nil, ending
		return
	}
	if cap(c.in) > 2*len(stream)+maxRead {
		c.in = nil // the ledger does not know of that memory
	}
	c.in = append(c.in, stream...)
}

const (
	readTurn = 32 << 10 // is read at once at most: clients keep the rest
	maxRead  = 1 << 12  // and this at least
)

// next takes the first PDU from stream; used is 0 while it is not complete.
func (c *conn) next(l *loop, stream []byte) (pdu dcerpc.PDU, used int, rej *dcerpc.Reject) {
	first := stream
	np := l.endpoints[c.endpoint].Transport.Framed()
	if np {
		n, bad := npa.Gather(l.pdu[:], stream)
		if bad != nil {
			return pdu, 0, dcerpc.ErrTruncated
		}
		first = l.pdu[:n]
	}
	pdu, need, rej := dcerpc.Parse(first, c.maxFrag())
	if rej != nil || need > 0 {
		return pdu, 0, rej
	}
	used = int(pdu.FragLength)
	if np {
		span, bad := npa.Span(stream, used)
		if bad != nil {
			return pdu, 0, dcerpc.ErrTruncated
		}
		used = span
	}
	return pdu, used, nil
}

// maxFrag bounds fragments of calls. Windows and Samba take the longest that
// they know whatever was negotiated.
func (c *conn) maxFrag() int { return dcerpc.FragSizeTCP }
