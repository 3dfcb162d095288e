// SPDX-License-Identifier: Apache-2.0

package ntlm

// This file owns signatures and sealing with extended session security (MS-NLMP
// 3.4.4.2, 3.4.3), one direction at a time. At levels packet and integrity a
// fragment is signed, at level privacy sealed too.

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"hash"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/rc4"
	"msrpcd/pkg/wire/dcerpc"
)

const signatureSize = 16

// direction is one of the two, with all that its messages change.
type direction struct {
	SignKey, SealKey [16]byte
	Cipher           rc4.Cipher
	Seq              uint32
	KeyExch          bool // the checksum is enciphered

	mac hash.Hash
	buf [signatureSize + 4]byte // a signature, and where a number is written
}

func newDirection(key []byte, sign, seal string, keyExch bool) *direction {
	d := &direction{SignKey: derive(key, sign), SealKey: derive(key, seal), KeyExch: keyExch}
	d.Cipher.Init(d.SealKey[:])
	d.start()
	return d
}

func (d *direction) start() { d.mac = hmac.New(md5.New, d.SignKey[:]) }

// sign makes the signature of the next message in d.buf.
func (d *direction) sign(message []byte) []byte {
	seq := d.buf[signatureSize:]
	le.PutUint32(seq, d.Seq)
	d.mac.Reset()
	d.mac.Write(seq)
	d.mac.Write(message)
	s := d.mac.Sum(d.buf[:0])[:signatureSize] // its last 8 bytes are overwritten
	copy(s[4:12], s[:8])
	le.PutUint32(s, 1)
	if d.KeyExch {
		d.Cipher.Crypt(s[4:12])
	}
	le.PutUint32(s[12:], d.Seq)
	d.Seq++
	return s
}

// Protect implements auth.Context.
func (c *securityContext) Protect(f auth.Fragment) error {
	if err := c.usable(&f); err != nil {
		return err
	}
	// The signature is over what is not enciphered yet, and its cipher comes
	// after the stub's: so the stub is signed, enciphered, then the checksum.
	d, seal := c.out, c.level == dcerpc.LevelPrivacy
	if !seal {
		copy(f.Value(), d.sign(f.Signed()))
		return nil
	}
	keyExch := d.KeyExch
	d.KeyExch = false
	s := d.sign(f.Signed())
	d.KeyExch = keyExch
	d.Cipher.Crypt(f.Stub())
	if keyExch {
		d.Cipher.Crypt(s[4:12])
	}
	copy(f.Value(), s)
	return nil
}

// Unprotect implements auth.Context.
func (c *securityContext) Unprotect(f auth.Fragment) error {
	if err := c.usable(&f); err != nil {
		return err
	}
	if c.level == dcerpc.LevelPrivacy {
		c.in.Cipher.Crypt(f.Stub())
	}
	if subtle.ConstantTimeCompare(c.in.sign(f.Signed()), f.Value()) != 1 {
		c.Close()
		return auth.ErrSignature
	}
	return nil
}

// usable: the context protects, and the fragment is one that it can.
func (c *securityContext) usable(f *auth.Fragment) error {
	switch {
	case c.in == nil || !auth.Protects(c.level):
		return auth.ErrState
	case !f.Valid() || len(f.Value()) != signatureSize:
		c.Close()
		return auth.ErrSignature
	}
	return nil
}

// SignatureSize implements auth.Context.
func (c *securityContext) SignatureSize() int {
	if auth.Protects(c.level) {
		return signatureSize
	}
	return 0
}

// SignMIC implements auth.Signer.
func (c *securityContext) SignMIC(message []byte) ([]byte, error) {
	if c.out == nil {
		return nil, auth.ErrState
	}
	return append([]byte(nil), c.out.sign(message)...), nil
}

// CheckMIC implements auth.Signer.
func (c *securityContext) CheckMIC(message, mic []byte) error {
	if c.in == nil {
		return auth.ErrState
	}
	if subtle.ConstantTimeCompare(c.in.sign(message), mic) != 1 {
		c.Close()
		return auth.ErrSignature
	}
	return nil
}

// EndMIC implements auth.Signer: ciphers start anew, sequence numbers do not
// (MS-SPNG 3.3.5.1).
func (c *securityContext) EndMIC() {
	for _, d := range []*direction{c.in, c.out} {
		if d != nil {
			d.Cipher.Init(d.SealKey[:])
		}
	}
}
