// SPDX-License-Identifier: Apache-2.0

package npa

// This file reads the identity that a request carries. It reads all of the
// request or refuses it: the level does not tell every difference between
// versions of Samba, and an identity that was read by a wrong layout must not
// be taken for one. So every pointer is followed, nothing may be left over, and
// what is not understood (claims) is an error.

import (
	"encoding/binary"
	"errors"
)

// Bounds of a session beside the length of the request.
const (
	MaxSIDs   = 4096  // of a token
	MaxGroups = 65536 // of a unix token, NGROUPS_MAX of Linux
	MaxText   = 1024  // bytes of a name or address
)

// Session is who a client of the SMB server is. It holds no part of the bytes
// it was read from. Texts are as smbd sent them, in UTF-8 as a rule; names of
// clients may be chosen by the client.
type Session struct {
	Level     uint32 // 5, 7 or 8
	Transport uint8  // how the client reached smbd: TransportNP, ...
	Flags     uint32 // NeedIdle | WinbindOff | ProbeOnly

	ClientName, ClientAddr string // of the client's connection to smbd; names may be addresses
	ServerName, ServerAddr string
	ClientPort, ServerPort uint16

	Account, Domain string // "ANONYMOUS LOGON", "NT AUTHORITY" for an anonymous client; "" when not told
	// SIDs of the token, without the one that carries Flags. The first is the
	// user, the second the primary group; there is at least one.
	SIDs []SID
	Unix *UnixToken // nil when not told

	// At most one is true. A session that is none of them is that of a user
	// who was authenticated.
	Anonymous bool // nobody
	Guest     bool // somebody who was let in as the guest account
	System    bool // the SMB server, or another part of Samba, in its own name
}

// UnixToken is the unix side of an identity.
type UnixToken struct {
	Name     string // of the account, "" when not told
	UID, GID uint32
	Groups   []uint32 // supplementary groups
}

// Errors of ParseSession.
var (
	ErrRequest = errors.New("malformed named pipe auth request")
	ErrLevel   = errors.New("named pipe auth request of an unknown level")
	ErrBounds  = errors.New("named pipe auth request has more SIDs, groups or text than are taken")
	ErrClaims  = errors.New("named pipe auth request has claims, which are not understood")
	ErrSystem  = errors.New("named pipe auth request of a client claims to be the system")
)

// User is the SID of the user.
func (s *Session) User() SID { return s.SIDs[0] }

// Has reports whether the token has a SID.
func (s *Session) Has(sid SID) bool {
	for _, v := range s.SIDs {
		if v == sid {
			return true
		}
	}
	return false
}

// Authenticated reports whether the session is that of a user, or of the
// system, who proved to be it.
func (s *Session) Authenticated() bool { return !s.Anonymous && !s.Guest }

// ParseSession reads the identity from a whole request of level 5, 7 or 8, as
// long as Length said. The caller has checked that the peer is uid 0. A system
// token counts only with TransportNcalrpc, which smbd gives to no client.
func ParseSession(b []byte) (Session, error) {
	total, rej := Length(b, len(b))
	if rej != nil || total != len(b) || total == 0 {
		return Session{}, ErrRequest
	}
	level := binary.LittleEndian.Uint32(b[8:])
	if binary.LittleEndian.Uint32(b[12:]) != level {
		return Session{}, ErrRequest
	}
	return ParseSessionInfo(level, b[HeaderSize:])
}

// ParseSessionInfo is ParseSession for what follows the first HeaderSize bytes
// of a request, as msrpc-handoff(7) carries it with the level beside.
func ParseSessionInfo(level uint32, info []byte) (Session, error) {
	if level != Level5 && level != Level7 && level != Level8 {
		return Session{}, ErrLevel
	}
	// All alignments are 8 at most, so the header may be left out.
	r := reader{walk: walk{b: info}}
	s := r.whole(level)
	switch {
	case r.err != nil:
		return Session{}, r.err
	case r.bad || r.off != len(info) || len(s.SIDs) == 0:
		return Session{}, ErrRequest
	}
	s.classify()
	if s.System && s.Transport != TransportNcalrpc {
		return Session{}, ErrSystem
	}
	return s, nil
}

// classify tells users from others by the token alone, as Samba does: the field
// that says so elsewhere differs between versions of one level.
func (s *Session) classify() {
	switch {
	case s.User() == SIDSystem:
		s.System = true
	case s.User() == SIDAnonymous:
		s.Anonymous = true
	case s.Has(SIDAuthenticated):
	case s.Has(SIDGuests):
		s.Guest = true
	default:
		s.Anonymous = true
	}
}

// reader is a walk that copies, within bounds. The first err stays.
type reader struct {
	walk
	err error
}

// stop ends the walk for a reason of its own.
func (r *reader) stop(err error) {
	if !r.bad {
		r.bad, r.err = true, err
	}
}

// copy makes a string of a text.
func (r *reader) copy(p []byte) string {
	if len(p) > MaxText {
		r.stop(ErrBounds)
		return ""
	}
	return string(p)
}

// array checks a count against its repetition, a bound and the bytes left, of
// which each element takes size at least.
func (r *reader) array(n, again uint32, bound, size int) int {
	switch {
	case n != again || int64(n)*int64(size) > int64(len(r.b)-r.off):
		r.bad = true
	case int(n) > bound:
		r.stop(ErrBounds)
	}
	if r.bad {
		return 0
	}
	return int(n)
}

// whole walks through a named_pipe_auth_req_info to its end.
func (r *reader) whole(level uint32) Session {
	e := r.ends(level)
	s := Session{
		Level: level, Transport: e.transport,
		ClientName: r.copy(e.name), ClientAddr: r.copy(e.addr), ClientPort: e.port,
		ServerName: r.copy(e.localName), ServerAddr: r.copy(e.localAddr), ServerPort: e.localPort,
	}
	p := r.session()
	if p.torture != 0 {
		r.bad = true
	}
	r.ticketType(level)
	flags := r.token(level, &s)
	if s.Flags = flags; level == Level5 {
		s.Flags = 0
		if e.needIdle {
			s.Flags = NeedIdle
		}
	}
	if p.unixToken != 0 {
		s.Unix = r.unixToken()
	}
	if p.info != 0 {
		r.userInfo(&s)
	}
	if p.unixInfo != 0 {
		r.align(4)
		name, sanitized := r.u32(), r.u32()
		unixName := r.copy(r.text(name))
		r.text(sanitized)
		if s.Unix != nil {
			s.Unix.Name = unixName
		}
	}
	return s
}

// ticketType goes over a number of 2 bytes that Samba 4.16.0 to 4.16.3 did not
// have, and over the padding up to the token. Where both layouts put the token
// at different places, its two equal counts tell them apart: the padding after
// a ticket type is zero.
func (r *reader) ticketType(level uint32) {
	if rest := r.b[r.off:]; level == Level5 && r.off%8 == 0 && len(rest) >= 8 && binary.LittleEndian.Uint32(rest[4:]) != 0 {
		return
	}
	r.take(2)
	r.align(8)
}

// token reads a security_token.
func (r *reader) token(level uint32, s *Session) (flags uint32) {
	n := r.array(r.u32(), r.u32(), MaxSIDs, sidHead)
	start, found := r.off, 0
	ends := make([]int, 0, n)
	for range n {
		f, ok := flagsOf(r.sid())
		if ok {
			flags = f
			found++
		}
		ends = append(ends, r.off)
	}
	if r.bad {
		return 0
	}
	all := string(r.b[start:r.off]) // SIDs are multiples of 4 bytes: there is no padding between them
	s.SIDs = make([]SID, 0, n)
	at := 0
	for _, end := range ends {
		sid := SID(all[at : end-start])
		at = end - start
		if sid.Authority() == sidAuthority && sid.Subs() == 2 && sid.Sub(0) == flagsRID {
			continue
		}
		s.SIDs = append(s.SIDs, sid)
	}
	r.align(8)
	r.take(8) // privileges
	r.u32()   // rights
	if level == Level8 {
		var claims uint32
		for range 8 { // counts of four kinds, then lengths of their arrays
			claims |= r.u32()
		}
		if claims != 0 {
			r.stop(ErrClaims)
		}
		r.take(2) // whether claims are evaluated
	}
	if found != 1 {
		return 0
	}
	return flags
}

// unixToken reads a security_unix_token. The length of its array comes first.
func (r *reader) unixToken() *UnixToken {
	length := r.u32()
	r.align(8)
	t := &UnixToken{UID: r.id(), GID: r.id()}
	n := r.array(r.u32(), length, MaxGroups, 8)
	r.align(8)
	t.Groups = make([]uint32, 0, n)
	for range n {
		t.Groups = append(t.Groups, r.id())
	}
	return t
}

// id reads a uid_t or gid_t: 64 bits on the wire, 32 on Linux, where the
// largest number means none.
func (r *reader) id() uint32 {
	p := r.take(8)
	if p == nil {
		return 0
	}
	n := binary.LittleEndian.Uint64(p)
	if n >= 1<<32-1 {
		r.bad = true
		return 0
	}
	return uint32(n)
}

// userInfo reads an auth_user_info.
func (r *reader) userInfo(s *Session) {
	r.align(4)
	account, principal := r.u32(), r.u32()
	r.u8() // the principal was made up; and padding
	domain, dnsDomain := r.u32(), r.u32()
	var rest [6]uint32 // full name, logon script, profile path, home directory, home drive, logon server
	for i := range rest {
		rest[i] = r.u32()
	}
	r.align(4)
	r.take(6 * 8) // times
	r.take(4)     // counts of logons and bad passwords
	r.u32()       // account flags
	// One byte "authenticated" up to Samba 4.18, 4 bytes of flags later: what
	// follows is aligned to 4 in both.
	r.u8()
	if r.align(4); r.bad {
		return
	}
	s.Account = r.copy(r.text(account))
	r.text(principal)
	s.Domain = r.copy(r.text(domain))
	r.text(dnsDomain)
	for _, ref := range rest {
		r.text(ref)
	}
}
