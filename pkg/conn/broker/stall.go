// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"time"

	"msrpcd/pkg/host/sys"
)

// This file reads the first PDU of clients that are stuck. A unix socket accounts
// some 800 bytes to its sender for each piece that was not read, however short:
// after some hundred pieces, or six of a sender with a small buffer, the rest of
// the PDU cannot come, and a look at it frees nothing. So where nothing came for
// a while what is there is read, and goes along with the connection: in the
// parking, and in the hand-over. TCP needs none of it, it joins pieces.

const (
	stallTime = 100 * time.Millisecond // without a new piece
	maxHeads  = 16 << 20               // bytes of all conns that are read before their PDU is whole
)

// stall notes that a part of the first PDU of conn fd has come.
func (b *Broker) stall(fd int) {
	c := &b.conns[fd]
	if b.bindings[c.binding].Transport.IP() {
		return
	}
	b.unstall(fd)
	c.stalled, c.lookAt = true, b.loop.Now+stallTime
	b.conns.push(&b.waiting.stalled, fd)
}

func (b *Broker) unstall(fd int) {
	if c := &b.conns[fd]; c.stalled {
		c.stalled = false
		b.conns.remove(&b.waiting.stalled, fd)
	}
}

// readStalled reads from clients that sent nothing in time.
func (b *Broker) readStalled() {
	for b.waiting.stalled.head != end && b.conns[b.waiting.stalled.head].lookAt <= b.loop.Now {
		fd := int(b.waiting.stalled.head)
		b.unstall(fd)
		if b.waiting.heads < maxHeads {
			b.readHead(fd)
		} else {
			b.stall(fd)
		}
	}
}

// readHead reads what is there of the first PDU, but never its last byte. As with
// the request of a named pipe, the conn leaves the parking first: its entry does
// not have what is read now.
func (b *Broker) readHead(fd int) {
	c := &b.conns[fd]
	room := min(int(c.need)-1-len(c.head()), len(b.in))
	if room <= 0 {
		return // all but the last byte is read
	}
	b.unpark(fd)
	n, errno := sys.Recv(fd, b.in[:room], 0)
	if errno == 0 && n > 0 {
		c.taken = append(c.taken, b.in[:n]...)
		b.waiting.heads += n
	}
	b.wait(fd, c.state)
}
