// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/layout"
	"msrpcd/pkg/npa"
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
func (c *Caller) LocalRoot() bool { return c.Transport == layout.Ncalrpc && c.Cred.Uid == 0 }

// Anonymous reports whether nobody vouches for the caller: over TCP, and for
// clients that the SMB server let in without a password or as a guest.
func (c *Caller) Anonymous() bool {
	switch c.Transport {
	case layout.Ncalrpc:
		return false
	case layout.NP:
		return c.Session == nil || !c.Session.Authenticated()
	}
	return true
}
