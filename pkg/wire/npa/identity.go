// SPDX-License-Identifier: Apache-2.0

package npa

// This file reads a named_pipe_auth_req_info to its end. It reads all of it or
// refuses it: the level does not show every difference between versions of
// Samba, and an identity that was read by a wrong layout must not be taken for
// one. So every pointer is followed, nothing may be left over, and what is not
// understood (claims) is an error.

import "encoding/binary"

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
// at different places, its two equal counts distinguish them: the padding after
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
