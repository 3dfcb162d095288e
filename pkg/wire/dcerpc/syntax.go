// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"fmt"

	"msrpcd/pkg/wire/uuid"
)

// This file owns syntax identifiers, those of interfaces and those of transfer
// syntaxes, and the pretended transfer syntax that negotiates features.

// SyntaxID is p_syntax_id_t (C706 12.6.3.1): an interface or a transfer syntax.
type SyntaxID struct {
	UUID    uuid.UUID
	Version uint32 // minor<<16 | major
}

// Transfer syntaxes (C706 14.2, MS-RPCE 2.2.4.12 and 2.2.5).
var (
	NDR   = SyntaxID{uuid.MustParse("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2}
	NDR64 = SyntaxID{uuid.MustParse("71710533-beba-4937-8319-b5dbef9ccc36"), 1}
)

// Major returns the major version number.
func (s SyntaxID) Major() uint16 { return uint16(s.Version) }

// Minor returns the minor version number.
func (s SyntaxID) Minor() uint16 { return uint16(s.Version >> 16) }

// String returns UUID/version as in a listing of Samba.
func (s SyntaxID) String() string { return fmt.Sprintf("%s/0x%08x", s.UUID, s.Version) }

// readSyntax reads the syntaxSize bytes at the beginning of b.
func readSyntax(b []byte, big bool) SyntaxID {
	_ = b[syntaxSize-1]
	return SyntaxID{uuid.FromWire([uuid.Size]byte(b), big), u32(b[uuid.Size:], big)}
}

func (s SyntaxID) append(b []byte, big bool) []byte {
	return put32(s.UUID.AppendWire(b, big), s.Version, big)
}

// Features that a bind negotiates (MS-RPCE 2.2.2.14).
const (
	FeatureSecurityMultiplexing = 0x01 // several security contexts on one connection
	FeatureKeepOnOrphan         = 0x02 // the connection goes on after an orphaned
)

// featurePrefix is what all UUIDs of bind time feature negotiation begin with.
var featurePrefix = [8]byte{0x6c, 0xb7, 0x1c, 0x2c, 0x98, 0x12, 0x45, 0x40}

// FeatureSyntax returns the transfer syntax that offers features, to be the
// only one of a presentation context (MS-RPCE 3.3.1.5.3).
func FeatureSyntax(features uint16) SyntaxID {
	var u uuid.UUID
	copy(u[:], featurePrefix[:])
	u[8], u[9] = byte(features), byte(features>>8)
	return SyntaxID{u, 1}
}

// Features reports whether s negotiates features, and which are offered; a
// server answers ResultNegotiateAck with those that it knows, see FeatureResult.
// Only the first transfer syntax of a context counts as such an offer.
func (s SyntaxID) Features() (features uint16, ok bool) {
	if [8]byte(s.UUID[:8]) != featurePrefix || s.Version != 1 {
		return 0, false
	}
	return uint16(s.UUID[8]) | uint16(s.UUID[9])<<8, true
}

// FeatureResult is the answer to a context that offers features.
func FeatureResult(accepted uint16) Result {
	return Result{Result: ResultNegotiateAck, Reason: accepted}
}
