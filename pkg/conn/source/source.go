// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// This file owns the rule of what is one source, table.go what is known of each.
// Nothing here allocates for a connection.

// Source is where a connection comes from: an address (TCP, and named pipes as smbd
// says) or a user (ncalrpc).
type Source struct {
	kind uint8
	id   [16]byte
}

const (
	fromAddress = 1 + iota
	fromUser
	fromProcess
)

// IsUser reports whether s is a user.
func (s Source) IsUser() bool { return s.kind == fromUser }

// Of is the source of the connection fd. info is the named pipe auth request of a
// pipe's client behind its header, of this level. ok is false where no limit for
// a source holds: for root, and on a named pipe for calls that no address comes with.
func Of(t layout.Transport, fd int, level uint32, info []byte) (s Source, ok bool) {
	switch {
	case t.IP():
		return peer(fd)
	case t.Relayed():
		text := npa.ClientAddr(level, info)
		// A string of its own would be an allocation; nothing of this one is kept.
		a, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(text), len(text)))
		return Address(a), err == nil
	case t.Local():
		cred, errno := sys.PeerCred(fd)
		return User(cred.Uid), errno == 0 && cred.Uid != 0
	}
	return s, false
}

// peer is the address at the other end of a TCP connection.
func peer(fd int) (s Source, ok bool) {
	var a unix.RawSockaddrAny
	if _, errno := sys.Name(fd, true, &a); errno != 0 {
		return s, false
	}
	switch a.Addr.Family {
	case unix.AF_INET:
		return Address(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&a)).Addr)), true
	case unix.AF_INET6:
		return Address(netip.AddrFrom16((*unix.RawSockaddrInet6)(unsafe.Pointer(&a)).Addr)), true
	}
	return s, false
}

// Address takes an IPv4 address as it is, and of an IPv6 address the network of
// 64 bits, all of whose addresses a single host may have; of a link-local one all.
func Address(a netip.Addr) Source {
	a = a.Unmap()
	s := Source{kind: fromAddress, id: a.As16()}
	if a.Is6() && !a.IsLinkLocalUnicast() && !a.IsLoopback() {
		clear(s.id[8:])
	}
	return s
}

// Process is a process that speaks for one client.
func Process(pid int32) Source {
	s := Source{kind: fromProcess}
	binary.LittleEndian.PutUint32(s.id[:], uint32(pid))
	return s
}

// User is a local user.
func User(uid uint32) Source {
	s := Source{kind: fromUser}
	binary.LittleEndian.PutUint32(s.id[:], uid)
	return s
}
