// SPDX-License-Identifier: Apache-2.0

package samba

// The anonymous session that clients of TCP and ncalrpc get: who they are is
// negotiated inside DCE/RPC. It is encoded once; each client's body gets its
// addresses and a copy of it.

import (
	"net/netip"

	"msrpcd/pkg/wire/abi"
)

// Anonymous makes bodies of MsgNewClient for clients of TCP and ncalrpc.
// It is safe for concurrent use; its methods do not allocate while the body
// has the capacity (ClientRoom).
type Anonymous struct {
	layout  abi.Layout
	session [2][]byte // encoded for a start at 0 and at 4 modulo 8
}

// Guest is what the anonymous session says about this host.
type Guest struct {
	NetbiosName string
	Account     string // "guest account" of smb.conf
	UID         uint32
	GIDs        []uint32 // primary group first
	GUID        [16]byte // any, one for the life of the process
}

// localRoot is the client address that Samba knows a local root process by. It
// lets the client authenticate as the system; no other client may get it.
const localRoot = "/root/ncalrpc_as_system"

// NewAnonymous encodes the session.
func NewAnonymous(l abi.Layout, g Guest) *Anonymous {
	a := &Anonymous{layout: l}
	for i := range a.session {
		start := make([]byte, 4*i, 1024)
		a.session[i] = appendSession(start, l, g)[4*i:]
	}
	return a
}

// AppendTCP completes body, ClientHead bytes and the PDU, for a TCP client.
func (a *Anonymous) AppendTCP(body, binding []byte, remote, local netip.AddrPort) []byte {
	var text [2][64]byte
	r := remote.Addr().Unmap().WithZone("").AppendTo(text[0][:0])
	l := local.Addr().Unmap().WithZone("").AppendTo(text[1][:0])
	return a.append(body, binding, r, l, remote.Port(), local.Port())
}

// AppendLocal completes body, ClientHead bytes and the PDU, for a client of
// the unix socket at path; root says that the client is root.
func (a *Anonymous) AppendLocal(body, binding, path []byte, root bool) []byte {
	var text [len(localRoot)]byte
	r := text[:0]
	if root {
		r = append(r, localRoot...)
	}
	return a.append(body, binding, r, path, 0, 0)
}

// append encodes named_pipe_auth_req_info5, 7 or 8 behind PDU and binding.
func (a *Anonymous) append(body, binding, remote, local []byte, remotePort, localPort uint16) []byte {
	putClientHead(body)
	b := appendAlign(appendString(body, binding, 0), 4)
	b = appendU32(b, 0, ref(2), ref(3), uint32(remotePort), ref(4), ref(5), uint32(localPort), ref(6))
	if a.layout.NPALevel == 5 {
		b = append(b, 0) // need_idle_server
	}
	b = appendString(b, remote, 0)
	b = appendString(b, remote, 0)
	b = appendString(b, local, 0)
	b = appendString(b, local, 0)
	b = appendAlign(b, 4)
	return append(b, a.session[len(b)>>2&1]...)
}

// appendSession appends auth_session_info_transport; len(b) is 0 or 4 modulo 8.
func appendSession(b []byte, l abi.Layout, g Guest) []byte {
	b = appendU32(b, ref(7), 0) // no exported GSSAPI credentials
	// auth_session_info
	b = appendU32(b, ref(8), ref(9), ref(10), ref(11), 0) // no torture session
	b = appendU32(b, 16, 0, 0, 0, 0)                      // session key of zeros
	b = appendU32(b, 0)                                   // no credentials
	b = append(b, g.GUID[:]...)
	if l.TicketType {
		b = append(b, 0, 0)
	}
	b = appendToken(b, l, g)
	b = appendUnixToken(b, g)
	b = appendUserInfo(b, l, g)
	// auth_user_info_unix
	b = appendAlign(b, 4)
	b = appendU32(b, ref(20), ref(21))
	b = appendString(b, g.Account, 0)
	return appendString(b, "", 0)
}

// appendToken appends security_token: anonymous, everyone, network, and the
// guest account's ids.
func appendToken(b []byte, l abi.Layout, g Guest) []byte {
	n := uint32(4 + len(g.GIDs))
	b = appendAlign(b, 8)
	b = appendU32(b, n, n)
	b = appendSID(b, 5, 7)                    // S-1-5-7
	b = appendSID(b, 1, 0)                    // S-1-1-0
	b = appendSID(b, 5, 2)                    // S-1-5-2
	b = appendSID(b, unixAuthority, 1, g.UID) // S-1-22-1-UID
	for _, gid := range g.GIDs {
		b = appendSID(b, unixAuthority, 2, gid) // S-1-22-2-GID
	}
	b = appendAlign(b, 8)
	b = appendU32(b, 0, 0, 0) // u64 privileges, u32 rights
	if l.Claims {
		b = appendU32(b, 0, 0, 0, 0, 0, 0, 0, 0) // four counts, then their array sizes
		b = append(b, 0, 0)                      // evaluate_claims
	}
	return b
}

const unixAuthority = 22

func appendSID(b []byte, authority byte, sub ...uint32) []byte {
	b = append(b, 1, byte(len(sub)), 0, 0, 0, 0, 0, authority)
	return appendU32(b, sub...)
}

func appendUnixToken(b []byte, g Guest) []byte {
	n := uint32(len(g.GIDs))
	b = appendAlign(b, 4)
	b = appendU32(b, n) // size of the array that ends the structure
	b = appendAlign(b, 8)
	b = appendU32(b, g.UID, 0, g.GIDs[0], 0, n) // uid and gid have 8 bytes
	b = appendAlign(b, 8)
	for _, gid := range g.GIDs {
		b = appendU32(b, gid, 0)
	}
	return b
}

func appendUserInfo(b []byte, l abi.Layout, g Guest) []byte {
	const normalAccount = 0x10
	b = appendAlign(b, 4)
	b = appendU32(b, ref(12), 0, 0) // account, no principal name, not constructed
	b = appendU32(b, ref(13), 0)    // domain, no DNS domain
	b = appendU32(b, ref(14), ref(15), ref(16), ref(17), ref(18), ref(19))
	b = appendU32(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // six times
	b = appendU32(b, 0)                                  // logon and bad password counts
	b = appendU32(b, normalAccount, l.UserFlags)
	for _, s := range [...]string{"ANONYMOUS LOGON", "NT AUTHORITY", "Anonymous Logon", "", "", "", "", g.NetbiosName} {
		b = appendString(b, s, 0)
	}
	return b
}
