// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"slices"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// Bounds of what is taken from clients.
const (
	MaxToken = 1 << 16 // bytes of one token: a PDU is no longer
	MaxSteps = 8       // tokens of one handshake
	MaxState = 1 << 20 // bytes of what Save makes
)

// Mechanism is one authentication service. Its methods may be called by many
// goroutines at once.
type Mechanism interface {
	// Service is its auth_type, such as dcerpc.AuthNTLM.
	Service() byte
	// Begin starts a security context at a level, dcerpc.LevelConnect to
	// LevelPrivacy. An error says that the mechanism cannot be had now; it does
	// not block.
	Begin(level byte) (Context, error)
	// Restore goes on with what Save of a context of this service wrote.
	Restore(state []byte) (Context, error)
}

// Context is one security context.
type Context interface {
	// Step takes a token of the client, which may be empty, and returns the
	// answer to it, which may be empty too. done: the client is authenticated.
	Step(ctx context.Context, token []byte) (reply []byte, done bool, err error)
	// Caller is the client's identity; nil until done.
	Caller() *Caller
	// SignatureSize is the length of auth_value in each fragment that Protect
	// takes; 0 at level connect, whose fragments have no trailer.
	SignatureSize() int
	// Protect signs a fragment of ours, and at level privacy enciphers its stub,
	// in place. See Fragment.
	Protect(f Fragment) error
	// Unprotect checks a fragment of the client, and at level privacy deciphers
	// its stub in place.
	Unprotect(f Fragment) error
	// Save appends the state of a context that is done to dst. It holds keys.
	Save(dst []byte) ([]byte, error)
	// Close zeroes the keys. More than once is fine.
	Close()
}

// Fragment is a whole request or response with its auth trailer, as protection
// sees it: header, stub with auth padding, sec_trailer, auth_value.
type Fragment struct {
	PDU []byte // from the first byte of the header to the last of auth_value
	// From and To are where the stub with its padding begins and ends;
	// sec_trailer is the TrailerSize bytes at To.
	From, To int
	// SignHeader: header signing was agreed on, so the header and sec_trailer
	// are signed too, not the stub alone.
	SignHeader bool
}

// TrailerSize is the length of sec_trailer without auth_value.
const TrailerSize = 8

// Valid reports whether From and To are inside the PDU.
func (f *Fragment) Valid() bool {
	return 0 <= f.From && f.From <= f.To && f.To <= len(f.PDU)-TrailerSize
}

// Stub is the stub with its padding: what is enciphered.
func (f *Fragment) Stub() []byte { return f.PDU[f.From:f.To] }

// Value is auth_value.
func (f *Fragment) Value() []byte { return f.PDU[f.To+TrailerSize:] }

// Signed is what the signature is over.
func (f *Fragment) Signed() []byte {
	if f.SignHeader {
		return f.PDU[:f.To+TrailerSize]
	}
	return f.Stub()
}

// Caller is the identity that a client has proved.
type Caller struct {
	Service byte // of the mechanism that authenticated it, never dcerpc.AuthSPNEGO
	Account string
	Domain  string // NetBIOS name of the account's domain, or its realm
	// SIDs of the account, its own first, then its groups; none when the source
	// of accounts knows none, such as a file. Authenticated Users is not among them.
	SIDs []npa.SID
	// Anonymous: the client asked for no account. There is no key then that
	// others do not know.
	Anonymous bool
	// SessionKey is the key that client and server share, for operations that
	// encrypt with it (MS-SAMR 3.1.2.2). Close zeroes it.
	SessionKey []byte
}

// Has reports whether the caller has a SID.
func (c *Caller) Has(sid npa.SID) bool { return slices.Contains(c.SIDs, sid) }

// Errors of Step and Unprotect, wrapped with what happened.
var (
	ErrToken       = errors.New("malformed or unexpected token")
	ErrDenied      = errors.New("the client did not prove its identity, or may not log on")
	ErrUnavailable = errors.New("accounts cannot be looked up")
	ErrSignature   = errors.New("wrong signature")
	ErrState       = errors.New("the security context cannot do this now")
)

// ValidLevel reports whether a security context can have the level.
func ValidLevel(level byte) bool {
	return level >= dcerpc.LevelConnect && level <= dcerpc.LevelPrivacy
}

// Protects reports whether each fragment at the level has a signature.
func Protects(level byte) bool { return level >= dcerpc.LevelCall }

// Signer is a Context that SPNEGO can be spoken over: after done it signs single
// messages, the list of mechanisms (RFC 4178).
type Signer interface {
	Context
	// SignMIC is the signature of a message of ours.
	SignMIC(message []byte) ([]byte, error)
	// CheckMIC checks the signature of a message of the client.
	CheckMIC(message, mic []byte) error
	// EndMIC is called when the handshake is over in which MICs were exchanged:
	// NTLM starts its ciphers and sequence numbers anew.
	EndMIC()
}
