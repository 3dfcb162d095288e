// SPDX-License-Identifier: Apache-2.0

package npa

// This file owns the identity that a request carries: what a caller gets of it,
// and what is refused. identity.go reads the bytes.

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

// Session is the identity of a client of the SMB server. It holds no part of the bytes
// it was read from. Texts are as smbd sent them, in UTF-8 as a rule; names of
// clients may be chosen by the client.
type Session struct {
	Level     uint32 // 5, 7 or 8
	Transport uint8  // how the client reached smbd: TransportNP, ...
	Flags     uint32 // NeedIdle | WinbindOff | ProbeOnly

	ClientName, ClientAddr string // of the client's connection to smbd; names may be addresses
	ServerName, ServerAddr string
	ClientPort, ServerPort uint16

	Account, Domain string // "ANONYMOUS LOGON", "NT AUTHORITY" for an anonymous client; "" when not given
	// SIDs of the token, without the one that carries Flags. The first is the
	// user, the second the primary group; there is at least one.
	SIDs []SID
	Unix *UnixToken // nil when not given

	// At most one is true. A session that is none of them is that of a user
	// who was authenticated.
	Anonymous bool // nobody
	Guest     bool // a user who was let in as the guest account
	System    bool // the SMB server, or another part of Samba, in its own name
}

// UnixToken is the unix side of an identity.
type UnixToken struct {
	Name     string // of the account, "" when not given
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

// classify distinguishes users from others by the token alone, as Samba does: the field
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
