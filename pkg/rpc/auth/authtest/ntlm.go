// SPDX-License-Identifier: Apache-2.0

package authtest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

var le = binary.LittleEndian

// Hash is the NT hash of Password.
var Hash = [16]byte{0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca, 0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f, 0xd8, 0x52}

const Password = "Password"

// NTLM is a client of NTLM. Its fields say what it does wrong.
type NTLM struct {
	Account, Domain string
	Hash            [16]byte
	Flags           uint32 // of both messages; 0 is FlagsAll
	NoMIC           bool   // neither says that there is a MIC nor sends one
	Stripped        bool   // says so, and sends none
	V1              bool   // sends a response as long as that of NTLMv1

	Key       [16]byte // the exported session key, after Authenticate
	negotiate []byte
}

// FlagsAll is Unicode, sign, seal, NTLM, extended session security, 128, key exchange.
const FlagsAll = 0x60088233

// Negotiate is the first message.
func (c *NTLM) Negotiate() []byte {
	if c.Flags == 0 {
		c.Flags = FlagsAll
	}
	c.negotiate = append([]byte("NTLMSSP\x00\x01\x00\x00\x00"), make([]byte, 28)...)
	le.PutUint32(c.negotiate[12:], c.Flags)
	return c.negotiate
}

// Authenticate answers a challenge.
func (c *NTLM) Authenticate(challenge []byte) []byte {
	info := challenge[le.Uint32(challenge[44:]):][:le.Uint16(challenge[40:])]
	blob := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, make([]byte, 20)...)
	blob = append(blob, info[:len(info)-4]...)
	if !c.NoMIC {
		blob = append(blob, 6, 0, 4, 0, 2, 0, 0, 0)
	}
	blob = append(blob, make([]byte, 8)...)
	owf := mac(c.Hash[:], UTF16(strings.ToUpper(c.Account)+c.Domain))
	proof := mac(owf, challenge[24:32], blob)
	base := mac(owf, proof)
	copy(c.Key[:], "0123456789abcdef")
	exchanged := make([]byte, 16)
	r, _ := rc4.NewCipher(base)
	r.XORKeyStream(exchanged, c.Key[:])
	nt := append(proof, blob...)
	if c.V1 {
		nt = nt[:24]
	}
	b := append([]byte("NTLMSSP\x00\x03\x00\x00\x00"), make([]byte, 76)...)
	for i, f := range [][]byte{make([]byte, 24), nt, UTF16(c.Domain), UTF16(c.Account), UTF16("CLIENT"), exchanged} {
		at := b[12+8*i:]
		le.PutUint16(at, uint16(len(f)))
		le.PutUint16(at[2:], uint16(len(f)))
		le.PutUint32(at[4:], uint32(len(b)))
		b = append(b, f...)
	}
	le.PutUint32(b[60:], c.Flags)
	if !c.NoMIC && !c.Stripped {
		copy(b[72:88], mac(c.Key[:], c.negotiate, challenge, b))
	}
	return b
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// UTF16 is text in little-endian UTF-16.
func UTF16(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}
