// SPDX-License-Identifier: Apache-2.0

package uuid

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Size is the length of a UUID on the wire, in bytes.
const Size = 16

// UUID is kept in the order of its text, that is with the first three fields
// big-endian. It can be compared; the zero value is the nil UUID of C706.
type UUID [Size]byte

// textSize is the length of the form with hyphens.
const textSize = 36

// Parse reads the 36-byte form, in any case of letters.
func Parse(s string) (UUID, error) {
	var u UUID
	if len(s) != textSize || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, fmt.Errorf("%.40q is not a UUID", s)
	}
	if _, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return UUID{}, fmt.Errorf("%.40q is not a UUID", s)
	}
	return u, nil
}

// MustParse is Parse for constants of a program; it panics when s is not a UUID.
func MustParse(s string) UUID {
	u, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// New returns a random UUID (RFC 9562 section 5.4).
func New() UUID {
	var u UUID
	rand.Read(u[:]) // does not fail
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// String returns the lower-case form, 36 bytes.
func (u UUID) String() string { return string(u.append(make([]byte, 0, textSize))) }

func (u UUID) append(b []byte) []byte {
	b = append(hex.AppendEncode(b, u[:4]), '-')
	b = append(hex.AppendEncode(b, u[4:6]), '-')
	b = append(hex.AppendEncode(b, u[6:8]), '-')
	b = append(hex.AppendEncode(b, u[8:10]), '-')
	return hex.AppendEncode(b, u[10:])
}

// AppendText appends the form of String.
func (u UUID) AppendText(b []byte) ([]byte, error) { return u.append(b), nil }

// MarshalText gives the form of String, for JSON.
func (u UUID) MarshalText() ([]byte, error) { return u.append(nil), nil }

// UnmarshalText is Parse.
func (u *UUID) UnmarshalText(b []byte) (err error) {
	*u, err = Parse(string(b))
	return err
}

// IsNil reports whether u is the nil UUID, all zeros.
func (u UUID) IsNil() bool { return u == UUID{} }

// FromWire turns 16 bytes of the wire into a UUID. The first three fields, of
// 4, 2 and 2 bytes, are integers and have the byte order of the data around
// them; the other eight bytes have none (C706 appendix A).
func FromWire(b [Size]byte, bigEndian bool) UUID {
	if !bigEndian {
		swap(&b)
	}
	return b
}

// Wire returns the bytes that go onto the wire.
func (u UUID) Wire(bigEndian bool) [Size]byte {
	if !bigEndian {
		swap((*[Size]byte)(&u))
	}
	return u
}

// AppendWire appends the bytes that go onto the wire.
func (u UUID) AppendWire(b []byte, bigEndian bool) []byte {
	w := u.Wire(bigEndian)
	return append(b, w[:]...)
}

func swap(b *[Size]byte) {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
}
