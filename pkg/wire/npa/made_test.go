// SPDX-License-Identifier: Apache-2.0

package npa

// This file makes requests as Samba does, with what the captured ones do not
// have.

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"msrpcd/pkg/wire/ndr"
)

// request says how a request differs from that of a user at level 8. Texts that
// are "-" are null pointers.
type request struct {
	level     uint32
	transport uint8
	sids      []SID
	noTicket  bool // Samba 4.16.0 to 4.16.3
	claims    uint32
	unix      *UnixToken
	account   string
	domain    string
	lastByte  byte // "authenticated", or the first byte of the user flags
	key       int  // bytes of the session key
}

var (
	someUser   = mustSID("S-1-5-21-1-2-3-1000")
	someGroup  = mustSID("S-1-5-21-1-2-3-513")
	guestUser  = mustSID("S-1-5-21-1-2-3-501")
	noFlags    = mustSID("S-1-22-2041152804-0")
	allFlags   = mustSID("S-1-22-2041152804-7")
	authorized = []SID{someUser, someGroup, SIDEveryone, SIDAuthenticated, noFlags}
)

func (q request) orDefaults() request {
	q.level = cmp.Or(q.level, Level8)
	q.transport = cmp.Or(q.transport, TransportNP)
	q.account, q.domain = cmp.Or(q.account, "user"), cmp.Or(q.domain, "DOM")
	if q.sids == nil {
		q.sids = authorized
	}
	return q
}

func (q request) bytes() []byte {
	q = q.orDefaults()
	head := append(make([]byte, 4), "NPAM"...)
	head = binary.LittleEndian.AppendUint32(head, q.level)
	head = binary.LittleEndian.AppendUint32(head, q.level)
	w := wire{ndr.NewEncoder(head, 0)}
	q.ends(&w)
	q.session(&w)
	q.token(&w)
	q.identity(&w)
	b := w.Bytes()
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// ends are the two ends of the client's connection.
func (q request) ends(w *wire) {
	w.Uint8(q.transport)
	w.refs("client", "192.0.2.1")
	w.Uint32(50000)
	w.refs("server", "192.0.2.2")
	w.Uint32(445)
	w.Unique(true)
	if q.level == Level5 {
		w.Uint8(1) // need_idle_server
	}
	w.texts("client", "192.0.2.1", "server", "192.0.2.2")
}

// session is the auth_session_info up to the token.
func (q request) session(w *wire) {
	w.Unique(true)
	w.Uint32(0) // exported credentials
	w.Unique(true)
	w.Unique(q.unix != nil)
	w.Unique(q.hasInfo())
	w.Unique(q.unix != nil)
	w.Uint32(0) // torture
	w.Uint32(uint32(q.key))
	w.Octets(bytes.Repeat([]byte{7}, q.key))
	w.Uint32(0)
	w.Octets([]byte("0123456789abcdef"))
	if !q.noTicket {
		w.Octets([]byte{2, 0})
	}
	w.Align(ndr.Align8)
}

func (q request) token(w *wire) {
	n := uint32(len(q.sids))
	w.u32(n, n)
	for _, s := range q.sids {
		w.Octets([]byte(s))
	}
	w.Uint64(0)
	w.Uint32(0)
	if q.level == Level8 {
		w.u32(0, q.claims, 0, 0, 0, q.claims, 0, 0)
		w.Uint16(0)
	}
}

// identity is the unix token and the names of the user.
func (q request) identity(w *wire) {
	if u := q.unix; u != nil {
		w.Uint32(uint32(len(u.Groups)))
		w.Uint64(uint64(u.UID))
		w.Uint64(uint64(u.GID))
		w.Uint32(uint32(len(u.Groups)))
		for _, g := range u.Groups {
			w.Uint64(uint64(g))
		}
		w.Align(ndr.Align8)
	}
	if q.hasInfo() {
		names := []string{q.account, "-", q.domain, "-", "", "-", "", "-", "", "-"}
		w.refs(names[:2]...)
		w.Uint8(0)
		w.refs(names[2:]...)
		w.u32(make([]uint32, 12)...)
		w.u32(0, 0x10)
		if w.Uint8(q.lastByte); q.level == Level8 {
			w.Octets(make([]byte, 3))
		}
		w.texts(names...)
	}
	if q.unix != nil {
		w.refs(q.unix.Name, "")
		w.texts(q.unix.Name, "")
	}
}

func (q request) hasInfo() bool { return q.account != "-" || q.domain != "-" }

// wire is a request that grows.
type wire struct{ ndr.Encoder }

func (w *wire) u32(vs ...uint32) {
	for _, v := range vs {
		w.Uint32(v)
	}
}

// refs writes the pointers to texts.
func (w *wire) refs(texts ...string) {
	for _, s := range texts {
		w.Unique(s != "-")
	}
}

// texts writes what they point to.
func (w *wire) texts(texts ...string) {
	for _, s := range texts {
		if s != "-" {
			w.String(s)
		}
	}
}
