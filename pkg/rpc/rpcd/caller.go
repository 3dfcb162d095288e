// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// Caller is who made a call, as far as the transport knows.
type Caller struct {
	Transport layout.Transport
	Remote    netip.AddrPort // ncacn_ip_tcp; ncacn_np: the client of the SMB server, port 0 when not told
	Local     netip.AddrPort // ncacn_ip_tcp: the address that the client reached

	// Cred is the peer process of an ncalrpc connection (SO_PEERCRED).
	Cred unix.Ucred
	// Session is what the SMB server authenticated, on ncacn_np; else nil.
	Session *npa.Session
}

// LocalRoot reports whether the call comes from a process of the local root
// user over ncalrpc, the only caller that may administer.
func (c *Caller) LocalRoot() bool { return c.Transport.Local() && c.Cred.Uid == 0 }

// Anonymous reports whether nobody vouches for the caller: over TCP, and for
// clients that the SMB server let in without a password or as a guest.
func (c *Caller) Anonymous() bool {
	switch {
	case c.Transport.Local():
		return false
	case c.Transport.Relayed():
		return c.Session == nil || !c.Session.Authenticated()
	}
	return true
}

// identify is who is at the other end of c, found out at the first question.
func (c *conn) identify(l *loop) *Caller {
	if c.caller != nil {
		return c.caller
	}
	e := &l.endpoints[c.endpoint]
	who := &Caller{Transport: e.Transport}
	switch {
	case e.Transport.IP():
		if sa, err := unix.Getpeername(c.fd); err == nil {
			who.Remote = addrPort(sa)
		}
		if sa, err := unix.Getsockname(c.fd); err == nil {
			who.Local = addrPort(sa)
		}
	case e.Transport.Local():
		cred, errno := sys.PeerCred(c.fd)
		if errno != 0 {
			cred = unix.Ucred{Uid: 1<<32 - 1, Gid: 1<<32 - 1}
		}
		who.Cred = cred
	case e.Transport.Relayed():
		s, err := npa.ParseSessionInfo(c.npaLevel, c.npaInfo())
		if err != nil {
			c.complain(l, slog.LevelWarn, "identity", journal.IDBadNPA, "identity of a named pipe's client can not be read, it counts as anonymous: "+err.Error())
			break
		}
		who.Session = &s
		if a, err := netip.ParseAddr(s.ClientAddr); err == nil {
			who.Remote = netip.AddrPortFrom(a.Unmap(), s.ClientPort)
		}
		if a, err := netip.ParseAddr(s.ServerAddr); err == nil {
			who.Local = netip.AddrPortFrom(a.Unmap(), s.ServerPort)
		}
	}
	c.caller = who
	return who
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
