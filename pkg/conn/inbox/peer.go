// SPDX-License-Identifier: Apache-2.0

package inbox

// The client and what it connected to is asked of its descriptor, never
// of the message that came with it. The binding string of the message only has
// to agree.

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// Peer is one client, as its descriptor shows. It is reused.
type Peer struct {
	Transport     layout.Transport
	Path          []byte     // local path of a unix socket, points into the Peer
	Cred          unix.Ucred // of the client, on unix sockets
	Local, Remote netip.AddrPort
	a, b          unix.RawSockaddrAny
}

// Directories are those whose nodes are endpoints.
type Directories struct{ NP, Ncalrpc []byte }

// Identify fills p from the connected descriptor fd.
func (p *Peer) Identify(fd int, dirs *Directories) error {
	n, e := sys.Name(fd, false, &p.a)
	if e != 0 || sockopt(fd, unix.SO_TYPE) != unix.SOCK_STREAM {
		return ErrSocket
	}
	switch p.a.Addr.Family {
	case unix.AF_UNIX:
		p.Path = unixPath(&p.a, n)
		cred, e := sys.PeerCred(fd)
		if e != 0 || len(p.Path) == 0 || sockopt(fd, unix.SO_ACCEPTCONN) != 0 {
			return ErrSocket
		}
		p.Cred = cred
		switch dir := p.Path[:max(bytes.LastIndexByte(p.Path, '/'), 0)]; {
		case bytes.Equal(dir, dirs.NP):
			p.Transport = layout.NP
		case bytes.Equal(dir, dirs.Ncalrpc):
			p.Transport = layout.Ncalrpc
		default:
			return ErrDirectory
		}
		return nil
	case unix.AF_INET, unix.AF_INET6:
		if _, e := sys.Name(fd, true, &p.b); e != 0 {
			return ErrSocket // a listener, or a client that has gone already
		}
		p.Transport = layout.TCP
		p.Local, p.Remote = inetAddr(&p.a), inetAddr(&p.b)
		return nil
	}
	return ErrSocket
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

// Agrees holds a binding string such as "ncacn_np:[\pipe\winreg]" against the
// socket: same transport, and the endpoint is the socket's node or port.
func (p *Peer) Agrees(binding []byte) bool {
	seq, rest, ok := bytes.Cut(binding, []byte(":["))
	endpoint, ok2 := bytes.CutSuffix(rest, []byte("]"))
	if !ok || !ok2 {
		return false
	}
	if string(seq) != p.Transport.Protseq() {
		return false
	}
	if p.Transport.IP() {
		var text [8]byte
		return bytes.Equal(endpoint, strconv.AppendUint(text[:0], uint64(p.Local.Port()), 10))
	}
	prefix, node := p.Transport.Prefix(), p.Path[bytes.LastIndexByte(p.Path, '/')+1:]
	return len(endpoint) > len(prefix) &&
		bytes.EqualFold(endpoint[:len(prefix)], []byte(prefix)) && bytes.EqualFold(endpoint[len(prefix):], node)
}
