// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// listener is a listening socket that systemd owns.
type listener struct {
	fd      int
	binding int // index into Broker.bindings
}

// binding is where a connection came from. Parked connections of an earlier
// incarnation have one even when its listener is gone.
type binding struct {
	endpoint.Endpoint
	name string // the binding string
	text []byte // the same
	pipe Pipe
	raw  bool // np: no DCE/RPC (npsd)
}

// rpcPipe is what an np client is told of a pipe with DCE/RPC.
var rpcPipe = Pipe{FileType: npa.FileTypeMessage, DeviceState: npa.DeviceState, Allocation: npa.Allocation}

// takeListeners adopts the listeners among the passed descriptors.
func (b *Broker) takeListeners(fds []sys.PassedFD) error {
	ls, err := endpoint.Listeners(fds, "msrpc-*-"+b.cfg.Name+".socket", layout.FDNameParking)
	if err != nil {
		return err
	}
	for _, l := range ls {
		b.listeners = append(b.listeners, listener{fd: l.FD, binding: b.bindingIndex(l.Endpoint)})
		b.watchListener(len(b.listeners) - 1)
	}
	return nil
}

func (b *Broker) watchListener(i int) {
	b.loop.Add(b.listeners[i].fd, unix.EPOLLIN, event.Token(kindListener, 0, i))
}

// bindingIndex finds or adds a binding.
func (b *Broker) bindingIndex(e endpoint.Endpoint) int {
	for i := range b.bindings {
		if b.bindings[i].Endpoint == e {
			return i
		}
	}
	n := binding{Endpoint: e, name: e.String(), text: []byte(e.String()), pipe: rpcPipe}
	if p, ok := b.cfg.Pipes[e.Pipe()]; ok && e.Transport == layout.NP {
		n.pipe, n.raw = p, true
	}
	b.bindings = append(b.bindings, n)
	return len(b.bindings) - 1
}

func (b *Broker) bindingsText() string {
	var s []string
	for _, l := range b.listeners {
		s = append(s, b.bindings[l.binding].String())
	}
	return strings.Join(s, " ")
}

// accept takes connections from a listener until it is empty or the others
// should have their turn.
func (b *Broker) accept(l *listener) {
	if b.acceptAfter > b.loop.Now {
		return
	}
	for range acceptBatch {
		fd, errno := sys.Accept(l.fd)
		if outOfDescriptors(errno) && b.sacrifice(-1) {
			fd, errno = sys.Accept(l.fd)
		}
		switch {
		case errno == 0:
		case errno == unix.EAGAIN:
			return
		case endpoint.AcceptNext(errno):
			continue
		default:
			b.pauseAccept(errno)
			return
		}
		b.lastActive = b.loop.Now
		b.status.Broker().Accepted.Add(1)
		c := b.admit(fd, l.binding)
		bind := &b.bindings[l.binding]
		c.state = wantBind
		if bind.Transport == layout.NP {
			if cred, errno := sys.PeerCred(fd); errno != 0 || cred.Uid != b.rootUID {
				b.complain(slog.LevelWarn, "np peer", journal.IDBadPeer, fd, "peer of a named pipe socket is not root: closed",
					"UID", cred.Uid)
				b.refuse(fd)
				continue
			}
			c.state = wantNPA
		}
		b.advance(fd)
		if fd >= b.fdLimit && b.conns[fd].state != free && !b.sacrifice(fd) {
			b.pauseAccept(unix.EMFILE)
			return
		}
	}
}

// limitDescriptors keeps some for what serves those who wait: ways to workers
// and slots of the parking. Accepting stops before they are used up.
func (b *Broker) limitDescriptors() error {
	have, err := sys.DescriptorLimit()
	if err != nil {
		return err
	}
	b.fdLimit = have - min(len(b.inboxes)+2*parking.MaxSlots+16, have/3)
	return nil
}

func outOfDescriptors(errno sys.Errno) bool { return errno == unix.EMFILE || errno == unix.ENFILE }

// sacrifice closes the oldest silent conn, not that of except, for one that
// talks or may do so. It reports whether there was one.
func (b *Broker) sacrifice(except int) bool {
	fd := b.silent.head
	if fd == int32(except) && fd != end {
		fd = b.conns.after(&b.silent, fd)
	}
	if fd == end {
		return false
	}
	b.complain(slog.LevelWarn, "descriptors", journal.IDLimit, int(fd),
		"descriptors run out: the oldest connections without a bind are closed; look at LimitNOFILE= of the broker and at fs.file-max")
	b.refuse(int(fd))
	return true
}

// pauseAccept stops looking at the listeners for a moment: descriptors or
// memory are short, and a level-triggered listener would spin. Clients wait in
// the listen queue meanwhile.
func (b *Broker) pauseAccept(errno sys.Errno) {
	if b.acceptAfter > 0 {
		return
	}
	b.limiter.Log(b.log, slog.LevelError, "accept", journal.IDAcceptFailed,
		"accept fails, clients wait in the listen queue; look at LimitNOFILE= of the broker and at fs.file-max",
		journal.Error, errno.Error())
	b.acceptAfter = b.loop.Now + acceptPause
	for _, l := range b.listeners {
		b.loop.Delete(l.fd)
	}
}

// resumeAccept looks at the listeners again if there is a descriptor for the
// next connection.
func (b *Broker) resumeAccept() {
	fd, err := unix.FcntlInt(uintptr(b.listeners[0].fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		sys.Close(fd)
	}
	if (err != nil || fd >= b.fdLimit) && !b.sacrifice(-1) {
		b.acceptAfter = b.loop.Now + acceptPause
		return
	}
	b.acceptAfter = 0
	for i := range b.listeners {
		b.watchListener(i)
	}
}

// complain logs a cause once, with what is known of the connection.
func (b *Broker) complain(level slog.Level, cause, id string, fd int, msg string, args ...any) {
	bind := &b.bindings[b.conns[fd].binding]
	args = append(args, journal.Transport, string(bind.Transport), journal.Binding, bind.String(),
		journal.Client, b.clientText(fd))
	if g := b.conns[fd].groupID; g != 0 {
		args = append(args, journal.AssocGroup, fmt.Sprintf("%08x", g))
	}
	b.limiter.Log(b.log, level, string(bind.Transport)+" "+cause, id, msg, args...)
}

// clientText describes the peer of a conn, for the log.
func (b *Broker) clientText(fd int) string {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return "unknown"
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr).String()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap().String()
	}
	if cred, errno := sys.PeerCred(fd); errno == 0 {
		return fmt.Sprintf("uid %d", cred.Uid)
	}
	return "unknown"
}
