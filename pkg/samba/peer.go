// SPDX-License-Identifier: Apache-2.0

package samba

// Who a client is and what it connected to is asked of its descriptor, never
// of the message that came with it. The binding string of the message only has
// to agree.

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/layout"
	"msrpcd/pkg/sys"
)

// What may be wrong with a hand-over beside the message itself.
var (
	errDescriptors = errors.New("hand-over does not carry the descriptors that it says")
	errTruncated   = errors.New("hand-over is longer than the largest one allowed")
	errSocket      = errors.New("descriptor of the hand-over is no connection")
	errDirectory   = errors.New("socket of the connection is in neither directory of this host's endpoints")
	errSender      = errors.New("sender is neither root nor the brokers' user")
	errBinding     = errors.New("binding string does not agree with the socket of the connection")
	errPipePeer    = errors.New("client of a named pipe is not root, only smbd may connect to it")
	errNoIdentity  = errors.New("named pipe auth request is missing for a client of a named pipe")
	errIdentity    = errors.New("named pipe auth request for a client that did not come through a named pipe")
	errNotPipe     = errors.New("connection without DCE/RPC did not come through a named pipe")
	errMemfd       = errors.New("second descriptor is no memfd of the length that the hand-over says")
	errNoGuest     = errors.New("client is anonymous, and there is no such local user as the guest account of smb.conf")
	errShort       = errors.New("first PDU is not all there to be read")
	errPDU         = errors.New("first PDU is not the bind that the hand-over says")
)

// peer is one client, as its descriptor tells. It is reused.
type peer struct {
	transport     layout.Transport
	path          []byte // local path of a unix socket, points into a
	uid           uint32 // of the client, on unix sockets
	local, remote netip.AddrPort
	a, b          unix.RawSockaddrAny
}

// directories are those whose nodes are endpoints.
type directories struct{ np, ncalrpc []byte }

// identify fills p from the connected descriptor fd.
func (p *peer) identify(fd int, dirs *directories) error {
	n, e := sys.Name(fd, false, &p.a)
	if e != 0 || sockopt(fd, unix.SO_TYPE) != unix.SOCK_STREAM || sockopt(fd, unix.SO_ACCEPTCONN) != 0 {
		return errSocket
	}
	switch p.a.Addr.Family {
	case unix.AF_UNIX:
		p.path = unixPath(&p.a, n)
		cred, e := sys.PeerCred(fd)
		if e != 0 || len(p.path) == 0 {
			return errSocket
		}
		p.uid = cred.Uid
		switch dir := p.path[:max(bytes.LastIndexByte(p.path, '/'), 0)]; {
		case bytes.Equal(dir, dirs.np):
			p.transport = layout.NP
		case bytes.Equal(dir, dirs.ncalrpc):
			p.transport = layout.Ncalrpc
		default:
			return errDirectory
		}
		return nil
	case unix.AF_INET, unix.AF_INET6:
		if _, e := sys.Name(fd, true, &p.b); e != 0 {
			return errSocket // a client that has gone already
		}
		p.transport = layout.TCP
		p.local, p.remote = inetAddr(&p.a), inetAddr(&p.b)
		return nil
	}
	return errSocket
}

// sockopt is getsockopt(2) at the level SOL_SOCKET, -1 for what has no such option.
func sockopt(fd, option int) int32 {
	var v int32
	l := uint32(unsafe.Sizeof(v))
	if _, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, uintptr(option),
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&l)), 0); e != 0 {
		return -1
	}
	return v
}

// unixPath is the path in an AF_UNIX address of n bytes; none for unnamed and
// abstract ones.
func unixPath(a *unix.RawSockaddrAny, n int) []byte {
	const offset = 2 // of sun_path
	if n <= offset || n > int(unsafe.Sizeof(*a)) {
		return nil
	}
	path := unsafe.Slice((*byte)(unsafe.Pointer(a)), n)[offset:]
	if i := bytes.IndexByte(path, 0); i >= 0 {
		path = path[:i]
	}
	return path
}

func inetAddr(a *unix.RawSockaddrAny) netip.AddrPort {
	if a.Addr.Family == unix.AF_INET {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), hostOrder(in.Port))
	}
	in := (*unix.RawSockaddrInet6)(unsafe.Pointer(a))
	return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), hostOrder(in.Port))
}

// hostOrder reads a port that the kernel keeps in network order.
func hostOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// agrees holds a binding string such as "ncacn_np:[\pipe\winreg]" against the
// socket: same transport, and the endpoint is the socket's node or port.
func (p *peer) agrees(binding []byte) bool {
	seq, rest, ok := bytes.Cut(binding, []byte(":["))
	endpoint, ok2 := bytes.CutSuffix(rest, []byte("]"))
	if !ok || !ok2 {
		return false
	}
	node := p.path[bytes.LastIndexByte(p.path, '/')+1:]
	switch p.transport {
	case layout.NP:
		const pipe = `\pipe\`
		return string(seq) == "ncacn_np" && len(endpoint) > len(pipe) &&
			bytes.EqualFold(endpoint[:len(pipe)], []byte(pipe)) && bytes.EqualFold(endpoint[len(pipe):], node)
	case layout.Ncalrpc:
		return string(seq) == "ncalrpc" && bytes.EqualFold(endpoint, node)
	case layout.TCP:
		var text [8]byte
		return string(seq) == "ncacn_ip_tcp" && bytes.Equal(endpoint, strconv.AppendUint(text[:0], uint64(p.local.Port()), 10))
	}
	return false
}
