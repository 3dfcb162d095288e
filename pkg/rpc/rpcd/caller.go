// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// This file owns the identity of a caller: what the transport says, and what a security
// context proves.

// Caller is the client that made a call.
type Caller struct {
	Transport layout.Transport
	Remote    netip.AddrPort // ncacn_ip_tcp; ncacn_np: the client of the SMB server, port 0 when not given
	Local     netip.AddrPort // ncacn_ip_tcp: the address that the client reached

	// Cred is the peer process of an ncalrpc connection (SO_PEERCRED).
	Cred unix.Ucred
	// Session is what the SMB server authenticated, on ncacn_np; else nil.
	Session *npa.Session

	Level           byte      // of the security context, dcerpc.LevelNone without one
	Service         byte      // that authenticated the client, dcerpc.AuthNTLM and so on; AuthNone: the transport did
	Account, Domain string    // "" when not given
	SIDs            []npa.SID // of the account, its own first; see Has
	SessionKey      []byte    // nil without a security context that has one

	anonymous bool
}

// Has reports whether the caller has a SID. Everyone, Anonymous and Authenticated
// Users go without saying, and need not be among SIDs.
func (c *Caller) Has(sid npa.SID) bool {
	switch sid {
	case npa.SIDEveryone:
		return true
	case npa.SIDAnonymous:
		return c.anonymous
	case npa.SIDAuthenticated:
		return !c.anonymous
	}
	return slices.Contains(c.SIDs, sid)
}

// String names the caller, for logs.
func (c *Caller) String() string {
	switch {
	case c.Account != "":
		return c.Domain + `\` + c.Account
	case c.Transport.Local():
		return "user " + strconv.Itoa(int(c.Cred.Uid))
	case c.anonymous:
		return "anonymous"
	case len(c.SIDs) > 0:
		return c.SIDs[0].String()
	}
	return "unknown"
}

// LocalRoot reports whether the call comes from a process of the local root
// user over ncalrpc, the only caller that may administer.
func (c *Caller) LocalRoot() bool { return c.Transport.Local() && c.Cred.Uid == 0 }

// Anonymous reports whether nothing vouches for the caller: over TCP, and for
// clients that the SMB server let in without a password or as a guest, unless a
// security context does.
func (c *Caller) Anonymous() bool { return c.anonymous }

// callerOf is the caller by a security context.
func (c *conn) callerOf(l *loop, s *security) *Caller {
	who := *c.identify(l)
	a := s.Caller()
	who.Level, who.Service = s.trailer.Level, a.Service
	who.Account, who.Domain, who.SIDs = a.Account, a.Domain, a.SIDs
	who.SessionKey, who.anonymous = a.SessionKey, a.Anonymous
	return &who
}

// identify is the client of c, found out at the first question.
func (c *conn) identify(l *loop) *Caller {
	if c.caller != nil {
		return c.caller
	}
	e := &l.endpoints[c.endpoint]
	who := &Caller{Transport: e.Transport, Level: dcerpc.LevelNone, anonymous: true}
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
		who.Cred, who.anonymous = cred, false
		who.SIDs = unixSIDs(cred)
	case e.Transport.Relayed():
		s, err := npa.ParseSessionInfo(c.npaLevel, c.npaInfo())
		if err != nil {
			c.complain(l, slog.LevelWarn, "identity", journal.IDBadNPA, "identity of a named pipe's client cannot be read, it counts as anonymous: "+err.Error())
			break
		}
		who.Session, who.anonymous = &s, !s.Authenticated()
		who.Account, who.Domain, who.SIDs = s.Account, s.Domain, s.SIDs
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

// unixSIDs are those that Samba gives users and groups that have no other.
func unixSIDs(cred unix.Ucred) []npa.SID {
	user, err := npa.ParseSID(fmt.Sprintf("S-1-22-1-%d", cred.Uid))
	group, err2 := npa.ParseSID(fmt.Sprintf("S-1-22-2-%d", cred.Gid))
	if err != nil || err2 != nil {
		return nil
	}
	return []npa.SID{user, group}
}
