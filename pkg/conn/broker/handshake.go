// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"log/slog"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/pipeauth"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

const npaHeader = npa.HeaderSize

// advance brings a conn as far as what has arrived allows. It is called when
// the conn is new, when epoll says that something arrived, and after a restart.
func (b *Broker) advance(fd int) {
	switch b.conns[fd].state {
	case wantNPA:
		b.readNPA(fd)
	case wantBind:
		b.readBind(fd)
	case wantSpare:
		b.handOver(fd)
	}
}

// readNPA reads the named pipe auth request and answers it. The request must be
// consumed here, since the client sends its bind only after the answer.
func (b *Broker) readNPA(fd int) {
	c := &b.conns[fd]
	if !c.replied && !b.fillNPA(fd) {
		return
	}
	req, rej := npa.Parse(c.npa())
	if rej != nil {
		b.rejectNPA(fd, rej)
		return
	}
	bind := &b.bindings[c.binding]
	if !c.replied && !bind.pipe.Accept(fd, req.Level) {
		b.refuse(fd)
		return
	}
	c.replied = true
	if req.Flags&npa.ProbeOnly != 0 {
		b.drop(fd)
		return
	}
	c.npaLevel = req.Level
	c.needIdle = req.Flags&npa.NeedIdle != 0
	if bind.raw {
		b.handOver(fd)
		return
	}
	c.state = wantBind
	b.readBind(fd)
}

// fillNPA reads what is there of the request, never more than the request, and
// reports whether it is complete. An entry of the parking does not have what is
// read after it was made, so the conn leaves the parking first: its client would
// rather see the end of the connection than wait for an answer.
func (b *Broker) fillNPA(fd int) bool {
	c := &b.conns[fd]
	b.unpark(fd)
	taken, outcome, rej := pipeauth.Receive(fd, c.taken, b.in[:], b.cfg.MaxNPA)
	c.taken, c.request = taken, int32(len(taken))
	switch outcome {
	case pipeauth.Whole:
		return true
	case pipeauth.Part:
		b.wait(fd, wantNPA)
	case pipeauth.Gone:
		b.drop(fd)
	case pipeauth.Refused:
		b.rejectNPA(fd, rej)
	}
	return false
}

func (b *Broker) rejectNPA(fd int, rej *npa.Reject) {
	b.logOnce(slog.LevelWarn, rej.Cause, journal.IDBadNPA, fd, "named pipe auth refused: "+rej.Cause)
	pipeauth.Refuse(fd, rej)
	b.refuse(fd)
}

// readBind peeks at the first PDU. When it is complete and harmless, the conn
// goes to a worker with nothing of it consumed.
func (b *Broker) readBind(fd int) {
	c := &b.conns[fd]
	head := copy(b.in[:], c.head())
	if c.need > 0 && !c.hungUp {
		// A PDU that comes in single bytes is copied only once it is there.
		if n, errno := sys.Available(fd); errno == 0 && head+n < int(c.need) {
			b.stall(fd)
			return
		}
	}
	n, errno := sys.Recv(fd, b.in[head:], unix.MSG_PEEK)
	if errno == unix.EAGAIN {
		b.wait(fd, wantBind)
		return
	}
	if errno != 0 || n == 0 {
		b.drop(fd) // it left
		return
	}
	stream := b.in[:head+n]
	np := b.bindings[c.binding].Transport.Framed()
	first := stream
	if np {
		k, rej := npa.Gather(b.pdu[:], stream)
		if rej != nil {
			b.rejectNPA(fd, rej)
			return
		}
		first = b.pdu[:k]
	}
	bind, need, rej := dcerpc.Validate(first)
	if rej != nil {
		b.rejectPDU(fd, bind, rej, np)
		return
	}
	if need > 0 {
		if np {
			need = npa.Need(stream, need)
		}
		b.waitForRest(fd, need)
		return
	}
	b.routeBind(fd, bind, stream, np)
}

// waitForRest waits for a first PDU of which need bytes are known to make it up.
func (b *Broker) waitForRest(fd, need int) {
	c := &b.conns[fd]
	if c.hungUp {
		b.drop(fd) // it left in the middle of its bind
		return
	}
	c.need = int32(need)
	b.wait(fd, wantBind)
	b.stall(fd)
}

// routeBind sends the conn on whose whole first PDU begins stream.
func (b *Broker) routeBind(fd int, bind dcerpc.Bind, stream []byte, np bool) {
	c, span := &b.conns[fd], bind.FragLength
	if np {
		total, rej := npa.Span(stream, bind.FragLength)
		if rej != nil {
			b.rejectNPA(fd, rej)
			return
		}
		span = total
	}
	c.frag, c.stream, c.groupID = uint16(bind.FragLength), int32(span), bind.AssocGroup
	if b.groupEnded(c) {
		b.nak(fd, bind, dcerpc.ReasonNotSpecified, np)
		return
	}
	b.handOver(fd)
}

// rejectPDU answers or closes a connection whose first PDU no worker may see.
func (b *Broker) rejectPDU(fd int, bind dcerpc.Bind, rej *dcerpc.Reject, np bool) {
	b.logOnce(journal.Notice, rej.Cause, journal.IDBadPDU, fd, "first PDU refused: "+rej.Cause)
	if rej.Nak {
		b.nak(fd, bind, rej.Reason, np)
		return
	}
	sys.Recv(fd, b.in[:], 0) // what is unread at close would reset the connection
	b.refuse(fd)
}
