// SPDX-License-Identifier: Apache-2.0

package samba

// One hand-over: from the inbox to the child. The PDU is all there to be read,
// the broker has waited for it; nothing here waits for a client.

import (
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// What may be wrong with a client for Samba, beside what is wrong with any.
var (
	errMany    = errors.New("too many clients of TCP, and the kernel does not show which connection is idle longest")
	errNoGuest = errors.New("client is anonymous, and the guest account of smb.conf is not a local user")
	errShort   = errors.New("first PDU is not all there to be read")
	errPDU     = errors.New("first PDU is not the bind that the hand-over says")
)

// take takes one datagram from the inbox; false says that none is there.
func (w *worker) take() bool {
	sent := w.line.Sent()
	n, e := w.inbox.Receive()
	if e != 0 {
		if e == unix.EAGAIN {
			w.inboxReady = false
			w.line.SettleLost(sent)
		} else {
			w.causes.Log(w.log, slog.LevelError, "inbox", journal.IDHandoverRefused, "inbox cannot be read, it is tried again", journal.Error, e)
			w.retryAt = w.loop.Now + retryTime
		}
		return false
	}
	w.line.Received.Add(1)
	if err := w.accept(n); err != nil {
		w.inbox.Discard()
		w.line.Ended(1)
		w.causes.Log(w.log, slog.LevelWarn, err.Error(), journal.IDHandoverRefused, "hand-over refused: "+err.Error(),
			journal.Transport, string(w.inbox.Peer.Transport), journal.Binding, string(w.inbox.Message.Binding),
			journal.AssocGroup, fmt.Sprintf("%08x", w.inbox.Message.AssocGroup),
			"connection", w.inbox.Message.ConnID, "sender", w.inbox.Sender().Pid, "uid", w.inbox.Sender().Uid)
		return true
	}
	w.taken++
	w.lastActive = w.loop.Now
	w.inbox.Release()
	w.flush()
	return true
}

// accept makes the message for the child from the datagram of n bytes and its
// descriptors. On an error the descriptors are still the inbox's.
func (w *worker) accept(n int) error {
	if err := w.inbox.Check(n); err != nil {
		return err
	}
	m, p := &w.inbox.Message, &w.inbox.Peer
	if !p.Transport.Relayed() && w.anon == nil {
		return errNoGuest
	}
	if w.blindAndFull(p.Transport) {
		return errMany
	}
	if m.NPALevel != 0 && m.NPALevel != w.layout.NPALevel {
		w.causes.Log(w.log, slog.LevelWarn, "level", journal.IDLayoutUnknown,
			"smbd speaks another level of named pipe auth than this rpcd's version does; restart smbd after an upgrade of Samba, or run msrpcctl refresh",
			"level", m.NPALevel, "expected", w.layout.NPALevel)
	}
	fd := w.inbox.Conn()
	body := w.out.Body()[:ClientHead]
	var err error
	if m.Flags&handoff.FlagNoPDU == 0 {
		if body, err = w.readPDU(fd, body, int(m.FragLength)); err != nil {
			return err
		}
	}
	switch {
	case p.Transport.IP():
		w.shed.notePort(p.Local.Port())
		body = w.anon.AppendTCP(body, m.Binding, p.Remote, p.Local)
	case p.Transport.Local():
		body = w.anon.AppendLocal(body, m.Binding, p.Path, p.Cred.Uid == w.inbox.RootUID)
	case m.Flags&handoff.FlagNPAInMemfd != 0:
		if body, err = w.inbox.AppendNPA(AppendBinding(body, m.Binding)); err != nil {
			return err
		}
	default:
		body = AppendClient(body, m.Binding, m.NPA)
	}
	w.out.Finish(w.childID, w.bus.ID, MsgNewClient, len(body))
	w.outFD[0] = int32(fd)
	w.expectGroup()
	return nil
}

// expectGroup counts the group that the client asks for, until the next status
// says how many there are.
func (w *worker) expectGroup() {
	switch {
	case !w.hasGroups():
		w.line.Groups.Store(uint32(w.line.Open()))
	case w.inbox.Message.AssocGroup == 0:
		w.line.Groups.Add(1)
	}
}

// hasGroups: statuses have the number of association groups.
func (w *worker) hasGroups() bool { return w.layout.StatusSize == 16 }

// readPDU consumes exactly the first PDU, frag bytes, behind body, and on a
// named pipe the message headers around it.
func (w *worker) readPDU(fd int, body []byte, frag int) ([]byte, error) {
	room := body[ClientHead:cap(body)]
	head := copy(room, w.inbox.Message.Head) // shorter than the PDU
	want := frag
	if w.inbox.Peer.Transport.Framed() {
		want, _ = npa.Span(nil, frag)
	}
	for have := head; ; {
		if have >= want && w.inbox.Peer.Transport.Framed() {
			var rej *npa.Reject
			if want, rej = npa.Span(room[:have], frag); rej != nil || want > len(room) || want < have {
				return nil, errShort
			}
		}
		if have == want {
			break
		}
		n, e := sys.Recv(fd, room[have:want], 0)
		if e != 0 || n <= 0 {
			return nil, errShort
		}
		have += n
	}
	if w.inbox.Peer.Transport.Framed() {
		if n, rej := npa.Gather(room[:frag], room[:want]); rej != nil || n != frag {
			return nil, errShort
		}
	}
	bind, need, rej := dcerpc.Validate(room[:frag])
	if need != 0 || rej != nil || bind.FragLength != frag {
		return nil, errPDU
	}
	return body[:ClientHead+frag], nil
}

// flush sends what is left of the client in hand to the child. Without room it
// is kept, and nothing else is taken until there is.
func (w *worker) flush() {
	for w.out.Pending() {
		d, last := w.out.Datagram()
		fds := w.outFD[:0]
		if last {
			fds = w.outFD[:]
		}
		switch e := w.tx.Send(w.childQ, d, fds); e {
		case 0:
			w.out.Sent()
		case unix.EAGAIN:
			w.loop.Modify(w.childQ, unix.EPOLLOUT|unix.EPOLLONESHOT, event.Token(kindChildQ, 0, 0))
			return
		case unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS:
			w.retryAt = w.loop.Now + retryTime
			return
		default: // the child is gone, which its pidfd tells; others wait for the next
			w.childGone = true
			w.out.Drop()
			w.line.Ended(1)
		}
	}
	w.dropClient()
}

// dropClient closes this process's copy of the client in hand.
func (w *worker) dropClient() {
	if w.outFD[0] >= 0 {
		sys.Close(int(w.outFD[0]))
		w.outFD[0] = -1
	}
	if w.out != nil {
		w.out.Drop()
	}
}
