// SPDX-License-Identifier: Apache-2.0

package samba

// One hand-over: from the inbox to the child. The PDU is all there to be read,
// the broker has waited for it; nothing here waits for a client.

import (
	"log/slog"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/handoff"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/npa"
	"msrpcd/pkg/sys"
)

// take takes one datagram from the inbox; false says that none is there.
func (w *worker) take() bool {
	// The broker counts after it has sent: what is counted now is in the inbox
	// or was, so an empty inbox shows what was lost with an earlier instance.
	sent := w.sent.Sent.Load()
	n, fds, e := w.rx.Recv(w.inbox, w.datagram, 0)
	if e != 0 {
		if e == unix.EAGAIN {
			w.inboxReady = false
			w.settleLost(sent)
		} else {
			w.causes.Log(w.log, slog.LevelError, "inbox", journal.IDHandoverRefused, "inbox can not be read, it is tried again", journal.Error, e)
			w.retryAt = w.now + retryTime
		}
		return false
	}
	w.lastActive = w.now
	w.line.Received.Add(1)
	if err := w.accept(n, fds); err != nil {
		w.rx.CloseFDs(fds)
		w.ended(1)
		w.causes.Log(w.log, slog.LevelWarn, err.Error(), journal.IDHandoverRefused, "hand-over refused: "+err.Error(),
			journal.Transport, string(w.peer.transport), journal.Binding, string(w.message.Binding), "connection", w.message.ConnID, "sender", w.rx.Cred.Pid, "uid", w.rx.Cred.Uid)
		return true
	}
	if fds > 1 {
		sys.Close(int(w.rx.FDs[1])) // the memfd
	}
	w.flush()
	return true
}

// settleLost counts hand-overs that no living process has: sent, but no longer
// in the inbox and never received.
func (w *worker) settleLost(sent uint64) {
	if r := w.line.Received.Load(); r < sent {
		w.line.Received.Store(sent)
		w.ended(sent - r)
	}
}

// accept makes the message for the child from the datagram of n bytes and its
// descriptors. On an error the descriptors are still the caller's.
func (w *worker) accept(n, fds int) error {
	m, p := &w.message, &w.peer
	*m, p.transport = handoff.Message{}, ""
	if !w.rx.HasCred || w.rx.Cred.Uid != w.trusted[0] && w.rx.Cred.Uid != w.trusted[1] {
		return errSender
	}
	if w.rx.Truncated {
		return errTruncated
	}
	if err := m.Parse(w.datagram[:n]); err != nil {
		return err
	}
	if fds != m.Descriptors() {
		return errDescriptors
	}
	fd := int(w.rx.FDs[0])
	if err := p.identify(fd, &w.dirs); err != nil {
		return err
	}
	if !p.agrees(m.Binding) {
		return errBinding
	}
	if err := w.checkIdentity(); err != nil {
		return err
	}
	if p.transport != layout.NP && w.anon == nil {
		return errNoGuest
	}
	body := w.out.Body()[:ClientHead]
	if m.Flags&handoff.FlagNoPDU == 0 {
		var err error
		if body, err = w.readPDU(fd, body, int(m.FragLength)); err != nil {
			return err
		}
	}
	switch {
	case p.transport == layout.TCP:
		body = w.anon.AppendTCP(body, m.Binding, p.remote, p.local)
	case p.transport == layout.Ncalrpc:
		body = w.anon.AppendLocal(body, m.Binding, p.path, p.uid == w.rootUID)
	case m.Flags&handoff.FlagNPAInMemfd != 0:
		var err error
		if body, err = w.readMemfd(int(w.rx.FDs[1]), AppendBinding(body, m.Binding), int(m.NPALength)); err != nil {
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
	case w.message.AssocGroup == 0:
		w.line.Groups.Add(1)
	}
}

// hasGroups: statuses tell the number of association groups.
func (w *worker) hasGroups() bool { return w.layout.StatusSize == 16 }

// checkIdentity: a named pipe's client is who the request of its peer, which
// must be root, says; nobody else has such a request.
func (w *worker) checkIdentity() error {
	m, p := &w.message, &w.peer
	if p.transport != layout.NP {
		if m.Flags&handoff.FlagNoPDU != 0 {
			return errNotPipe
		}
		if m.NPALevel != 0 {
			return errIdentity
		}
		return nil
	}
	if p.uid != w.rootUID {
		return errPipePeer
	}
	if m.NPALevel == 0 {
		return errNoIdentity
	}
	if m.NPALevel != w.layout.NPALevel {
		w.causes.Log(w.log, slog.LevelWarn, "level", journal.IDLayoutUnknown,
			"smbd speaks another level of named pipe auth than this rpcd's version does; restart smbd after an upgrade of Samba, or run msrpcctl refresh",
			"level", m.NPALevel, "expected", w.layout.NPALevel)
	}
	return nil
}

// readPDU consumes exactly the first PDU, frag bytes, behind body, and on a
// named pipe the message headers around it.
func (w *worker) readPDU(fd int, body []byte, frag int) ([]byte, error) {
	room := body[ClientHead:cap(body)]
	want := frag
	if w.peer.transport == layout.NP {
		want, _ = npa.Span(nil, frag)
	}
	for have := 0; have < want; {
		n, e := sys.Recv(fd, room[have:want], 0)
		if e != 0 || n <= 0 {
			return nil, errShort
		}
		have += n
		if have == want && w.peer.transport == layout.NP {
			var rej *npa.Reject
			if want, rej = npa.Span(room[:have], frag); rej != nil || want > len(room) {
				return nil, errShort
			}
		}
	}
	if w.peer.transport == layout.NP {
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

// readMemfd appends the n bytes that are the content of fd.
func (w *worker) readMemfd(fd int, body []byte, n int) ([]byte, error) {
	var st unix.Stat_t
	// Seals exist only on files in memory, which never make a reader wait.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil || unix.Fstat(fd, &st) != nil || st.Size != int64(n) {
		return nil, errMemfd
	}
	at := len(body)
	if cap(body)-at < n {
		return nil, errMemfd
	}
	body = body[:at+n]
	if got, err := unix.Pread(fd, body[at:], 0); err != nil || got != n {
		return nil, errMemfd
	}
	return body, nil
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
			w.ep.Modify(w.childQ, unix.EPOLLOUT|unix.EPOLLONESHOT, tokenChildQ)
			return
		case unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS:
			w.retryAt = w.now + retryTime
			return
		default: // the child is gone, which its pidfd tells; others wait for the next
			w.childGone = true
			w.out.Drop()
			w.ended(1)
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
