// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/npa"
	"msrpcd/pkg/sys"
)

// listener is a listening socket that systemd owns.
type listener struct {
	fd      int
	binding int // index into Broker.bindings
}

// binding is where a connection came from. Parked connections of an earlier
// incarnation have one even when its listener is gone.
type binding struct {
	text      string // "ncacn_np:[\pipe\winreg]"
	bytes     []byte // the same
	transport layout.Transport
	pipe      Pipe
	raw       bool // np: no DCE/RPC (npsd)
}

var protseqs = map[layout.Transport]string{
	layout.NP: "ncacn_np", layout.TCP: "ncacn_ip_tcp", layout.Ncalrpc: "ncalrpc",
}

// rpcPipe is what an np client is told of a pipe with DCE/RPC.
var rpcPipe = Pipe{FileType: npa.FileTypeMessage, DeviceState: npa.DeviceState, Allocation: npa.Allocation}

// takeListeners adopts the listeners among the passed descriptors.
func (b *Broker) takeListeners(fds []sys.PassedFD) error {
	for _, p := range fds {
		var t layout.Transport
		switch p.Name {
		case layout.FDNamePipe, layout.FDNameTCP, layout.FDNameNcalrpc:
			t = layout.Transport(p.Name)
		case layout.FDNameParking, layout.FDNameParkIn:
			continue
		default:
			return fmt.Errorf("descriptor %d has the unknown name %q; a drop-in of a socket unit must keep FileDescriptorName=", p.FD, p.Name)
		}
		if v, err := unix.GetsockoptInt(p.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || v == 0 {
			return fmt.Errorf("descriptor %d (%s) is no listening stream socket", p.FD, p.Name)
		}
		endpoint, err := localEndpoint(p.FD, t)
		if err != nil {
			return fmt.Errorf("listener %d (%s): %w", p.FD, p.Name, err)
		}
		l := listener{fd: p.FD, binding: b.bindingIndex(t, endpoint)}
		b.listeners = append(b.listeners, l)
		b.watchListener(len(b.listeners) - 1)
	}
	if len(b.listeners) == 0 {
		return fmt.Errorf("no listener was passed: start msrpc-*-%s.socket, not this service", b.cfg.Name)
	}
	return nil
}

func (b *Broker) watchListener(i int) {
	b.ep.Add(b.listeners[i].fd, unix.EPOLLIN, token(kindListener, 0, i))
}

// localEndpoint is the endpoint part of a binding string, from getsockname.
func localEndpoint(fd int, t layout.Transport) (string, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", fmt.Errorf("getsockname: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		if t == layout.TCP {
			return strconv.Itoa(sa.Port), nil
		}
	case *unix.SockaddrInet6:
		if t == layout.TCP {
			return strconv.Itoa(sa.Port), nil
		}
	case *unix.SockaddrUnix:
		if t == layout.NP {
			return `\pipe\` + path.Base(sa.Name), nil
		}
		if t == layout.Ncalrpc {
			return path.Base(sa.Name), nil
		}
	}
	return "", fmt.Errorf("is of another address family than its name says")
}

// bindingIndex finds or adds a binding.
func (b *Broker) bindingIndex(t layout.Transport, endpoint string) int {
	text := protseqs[t] + ":[" + endpoint + "]"
	for i := range b.bindings {
		if b.bindings[i].text == text {
			return i
		}
	}
	n := binding{text: text, bytes: []byte(text), transport: t, pipe: rpcPipe}
	if p, ok := b.cfg.Pipes[strings.TrimPrefix(endpoint, `\pipe\`)]; ok && t == layout.NP {
		n.pipe, n.raw = p, true
	}
	b.bindings = append(b.bindings, n)
	return len(b.bindings) - 1
}

// parseBinding is bindingIndex for a whole binding string, none for a bad one.
func (b *Broker) parseBinding(text string) int {
	for t, p := range protseqs {
		if e, ok := strings.CutPrefix(text, p+":["); ok && strings.HasSuffix(e, "]") {
			return b.bindingIndex(t, strings.TrimSuffix(e, "]"))
		}
	}
	return none
}

func (b *Broker) bindingsText() string {
	var s []string
	for _, l := range b.listeners {
		s = append(s, b.bindings[l.binding].text)
	}
	return strings.Join(s, " ")
}

// accept takes connections from a listener until it is empty or the others
// should have their turn.
func (b *Broker) accept(l *listener) {
	if b.acceptAfter > b.now {
		return
	}
	for range acceptBatch {
		fd, errno := sys.Accept(l.fd)
		switch errno {
		case 0:
		case unix.EAGAIN:
			return
		case unix.ECONNABORTED, unix.EINTR, unix.EPROTO, unix.ENETDOWN, unix.EHOSTDOWN,
			unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.ENOPROTOOPT, unix.EPERM:
			continue // accept(2): errors of the connection, not of the listener
		default:
			b.pauseAccept(errno)
			return
		}
		b.lastActive = b.now
		b.status.Broker().Accepted.Add(1)
		c := b.admit(fd, l.binding)
		bind := &b.bindings[l.binding]
		c.state = wantBind
		if bind.transport == layout.NP {
			if cred, errno := sys.PeerCred(fd); errno != 0 || cred.Uid != 0 {
				b.complain(slog.LevelWarn, "np peer", journal.IDBadPeer, fd, "peer of a named pipe socket is not root: closed",
					"UID", cred.Uid)
				b.refuse(fd)
				continue
			}
			c.state = wantNPA
		}
		b.advance(fd)
	}
}

// pauseAccept stops looking at the listeners for a moment: descriptors or
// memory are short, and a level-triggered listener would spin. Clients wait in
// the listen queue meanwhile.
func (b *Broker) pauseAccept(errno sys.Errno) {
	b.limiter.Log(b.log, slog.LevelError, "accept", journal.IDAcceptFailed,
		"accept fails, clients wait in the listen queue; look at LimitNOFILE= of the broker and at fs.file-max",
		journal.Error, errno.Error())
	b.acceptAfter = b.now + int64(acceptPause)
	for _, l := range b.listeners {
		b.ep.Delete(l.fd)
	}
}

// resumeAccept looks at the listeners again.
func (b *Broker) resumeAccept() {
	b.acceptAfter = 0
	for i := range b.listeners {
		b.watchListener(i)
	}
}

// complain logs a cause once, with what is known of the connection.
func (b *Broker) complain(level slog.Level, cause, id string, fd int, msg string, args ...any) {
	bind := &b.bindings[b.conns[fd].binding]
	args = append(args, journal.Transport, string(bind.transport), journal.Binding, bind.text,
		journal.Client, b.clientText(fd))
	if g := b.conns[fd].groupID; g != 0 {
		args = append(args, journal.AssocGroup, fmt.Sprintf("%08x", g))
	}
	b.limiter.Log(b.log, level, string(bind.transport)+" "+cause, id, msg, args...)
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
