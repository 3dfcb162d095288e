// SPDX-License-Identifier: Apache-2.0

package npa

// This file walks through the NDR of a request to the few facts that routing
// needs. It never searches for bytes: session keys and exported credentials
// may contain anything.

import "encoding/binary"

// Transports in a request: how the client reached smbd.
const (
	TransportUnknown = 0
	TransportNP      = 1 // ncacn_np
	TransportTCP     = 2 // ncacn_ip_tcp
	TransportNcalrpc = 8 // calls of Samba itself; the only one a system token goes with
)

// Flags of a request: bits of the last number of the one SID
// S-1-22-2041152804-<flags>.
const (
	NeedIdle   = 1 // wants a worker without connections
	WinbindOff = 2 // is winbindd's own call
	ProbeOnly  = 4 // asks only whether the pipe is served, sends nothing more (Samba 4.25)
)

// Request is what routing needs of a request.
type Request struct {
	Level      uint32 // 5, 7 or 8
	Transport  uint8  // TransportNP, ...
	Flags      uint32 // NeedIdle | WinbindOff | ProbeOnly; 0 unless exactly one SID carries them
	ClientAddr []byte // text of the client's address, without NUL; points into the request
}

// flagsRID is the first number of the SID that carries flags.
const flagsRID = 2041152804

// Parse walks through the whole request b, as long as Length said. It refuses
// another level with a reply, and what is not well-formed, or has no session or
// no token, without one. Level 5 has no such SID: its byte need_idle_server
// becomes NeedIdle.
func Parse(b []byte) (Request, *Reject) {
	var q Request
	total, rej := Length(b, len(b))
	switch {
	case rej == RejectLong || rej == nil && (total != len(b) || total == 0): // 0: not even a length
		return q, RejectLength
	case rej != nil:
		return q, rej
	}
	q.Level = binary.LittleEndian.Uint32(b[8:])
	if q.Level != Level5 && q.Level != Level7 && q.Level != Level8 {
		return q, RejectLevel
	}
	if binary.LittleEndian.Uint32(b[12:]) != q.Level {
		return q, RejectRequest
	}
	w := walk{b: b, off: HeaderSize}
	if w.info(&q); w.bad {
		return Request{}, RejectRequest
	}
	return q, nil
}

// ClientAddr is the text of the client's address, as in Request, from the
// named_pipe_auth_req_info of this level alone; nil where it has none.
func ClientAddr(level uint32, info []byte) []byte {
	w := walk{b: info}
	if e := w.ends(level); !w.bad {
		return e.addr
	}
	return nil
}

// walk is a position in the request. Once bad it stays bad, and each read
// yields zero.
type walk struct {
	b   []byte
	off int
	bad bool
}

// take returns the next n bytes, nil when they are not there.
func (w *walk) take(n uint32) []byte {
	if w.bad || uint64(n) > uint64(len(w.b)-w.off) {
		w.bad = true
		return nil
	}
	p := w.b[w.off : w.off+int(n)]
	w.off += int(n)
	return p
}

// align goes on to the next multiple of n (a power of two).
func (w *walk) align(n int) { w.take(uint32(-w.off & (n - 1))) }

func (w *walk) u8() uint8 {
	if p := w.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (w *walk) u32() uint32 {
	w.align(4)
	if p := w.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// blob goes over a u32 length and as many bytes.
func (w *walk) blob() { w.take(w.u32()) }

// text reads the string that a pointer announced: maximum, offset 0, actual
// count, bytes up to a NUL. It returns the text without NUL.
func (w *walk) text(ref uint32) []byte {
	if ref == 0 {
		return nil
	}
	max, offset, n := w.u32(), w.u32(), w.u32()
	p := w.take(n)
	if offset != 0 || n > max {
		w.bad = true
	}
	for i, c := range p {
		if c == 0 {
			return p[:i:i]
		}
	}
	w.bad = true // no NUL: no string
	return nil
}

// need says that a pointer must not be null.
func (w *walk) need(ref uint32) {
	if ref == 0 {
		w.bad = true
	}
}

// info walks through named_pipe_auth_req_info5, 7 and 8 up to the SIDs.
func (w *walk) info(q *Request) {
	e := w.ends(q.Level)
	q.Transport, q.ClientAddr = e.transport, e.addr
	if e.needIdle {
		q.Flags = NeedIdle
	}
	w.session()
	if q.Level == Level5 {
		// Samba 4.16.0 to 4.16.3 had no ticket type here; the flags are known.
		return
	}
	w.take(2) // ticket type
	w.align(8)
	q.Flags = w.sids()
}

// ends are the two ends of the client's connection to smbd. Names and
// addresses point into the request.
type ends struct {
	transport            uint8
	name, addr           []byte // of the client
	localName, localAddr []byte // of the server
	port, localPort      uint16
	needIdle             bool // level 5 only
}

// ends walks through named_pipe_auth_req_info5, 7 and 8 up to the session.
func (w *walk) ends(level uint32) (e ends) {
	e.transport = w.u8()
	name, addr := w.u32(), w.u32()
	e.port = uint16(w.u32()) // 2 bytes and padding
	localName, localAddr := w.u32(), w.u32()
	e.localPort = uint16(w.u32())
	w.need(w.u32())
	e.needIdle = level == Level5 && w.u8() != 0
	e.name, e.addr = w.text(name), w.text(addr)
	e.localName, e.localAddr = w.text(localName), w.text(localAddr)
	return e
}

// pointers are those of an auth_session_info; 0 is a null pointer.
type pointers struct{ token, unixToken, info, unixInfo, torture uint32 }

// session walks through auth_session_info_transport and auth_session_info up
// to the ticket type.
func (w *walk) session() (p pointers) {
	w.need(w.u32())
	w.blob() // exported GSSAPI credentials
	p.token = w.u32()
	w.need(p.token)
	p.unixToken, p.info, p.unixInfo, p.torture = w.u32(), w.u32(), w.u32(), w.u32()
	w.blob()   // session key
	w.u32()    // credentials, never sent
	w.take(16) // unique session token
	return p
}

// sids walks through the SIDs of a security_token and returns the flags.
func (w *walk) sids() (flags uint32) {
	n := w.u32()
	if w.u32() != n {
		w.bad = true
	}
	found := 0
	for ; n > 0 && !w.bad; n-- {
		if f, ok := flagsOf(w.sid()); ok {
			flags = f
			found++
		}
	}
	if found != 1 {
		return 0
	}
	return flags
}

// flagsOf returns the flags that a SID carries.
func flagsOf(sid []byte) (flags uint32, ok bool) {
	if len(sid) != sidHead+8 || binary.BigEndian.Uint64(sid)&(1<<48-1) != sidAuthority ||
		binary.LittleEndian.Uint32(sid[sidHead:]) != flagsRID {
		return 0, false
	}
	return binary.LittleEndian.Uint32(sid[sidHead+4:]), true
}
