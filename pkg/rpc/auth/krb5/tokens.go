// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns what contexts do with tokens of either kind: aes.go (RFC 4121)
// and arcfour.go (RFC 4757). Each counts in the same sequence.

import (
	"errors"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// tokens signs and seals with the keys of one context. Checks compare in
// constant time and report what is wrong by false alone.
type tokens interface {
	// sizes are the lengths of a signature and of what is beside a sealed stub.
	sizes() (sign, seal int)
	sign(message, token []byte, seq uint64)
	check(message, token []byte, seq uint64) bool
	seal(f auth.Fragment, seq uint64)
	unseal(f auth.Fragment, seq uint64) bool
}

// Encryption types.
const (
	aes128SHA1 = 17
	aes256SHA1 = 18
	aes128SHA2 = 19
	aes256SHA2 = 20
	rc4HMAC    = 23
)

// keySizes are the lengths of the keys of those that are served.
var keySizes = map[int32]int{aes128SHA1: 16, aes256SHA1: 32, aes128SHA2: 16, aes256SHA2: 32, rc4HMAC: 16}

func newTokens(l library, s *state) (tokens, error) {
	k := s.Key
	if n, ok := keySizes[k.Type]; !ok || n != len(k.Value) {
		return nil, errors.New("encryption type that is not served, or a key of a wrong length")
	}
	if k.Type == rc4HMAC {
		return newArcfour(k, s.Initiator), nil
	}
	return newAES(l, s)
}

// SignatureSize implements auth.Context.
func (c *securityContext) SignatureSize() int {
	if c.tokens == nil || !auth.Protects(c.Level) {
		return 0
	}
	sign, seal := c.tokens.sizes()
	if c.Level == dcerpc.LevelPrivacy {
		return seal
	}
	return sign
}

// Protect implements auth.Context.
func (c *securityContext) Protect(f auth.Fragment) error {
	if c.tokens == nil || !auth.Protects(c.Level) || !f.Valid() || len(f.Value()) != c.SignatureSize() {
		return auth.ErrState
	}
	if c.Level == dcerpc.LevelPrivacy {
		c.tokens.seal(f, c.Send)
	} else {
		c.tokens.sign(f.Signed(), f.Value(), c.Send)
	}
	c.Send++
	return nil
}

// Unprotect implements auth.Context.
func (c *securityContext) Unprotect(f auth.Fragment) error {
	if c.tokens == nil || !auth.Protects(c.Level) {
		return auth.ErrState
	}
	good := f.Valid()
	if good && c.Level == dcerpc.LevelPrivacy {
		good = c.tokens.unseal(f, c.Receive)
	} else if good {
		good = c.tokens.check(f.Signed(), f.Value(), c.Receive)
	}
	return c.received(good)
}

// received counts a message of the client, if it is good.
func (c *securityContext) received(good bool) error {
	if !good {
		c.Close()
		return auth.ErrSignature
	}
	c.Receive++
	return nil
}

// SignMIC implements auth.Signer.
func (c *securityContext) SignMIC(message []byte) ([]byte, error) {
	if c.tokens == nil {
		return nil, auth.ErrState
	}
	n, _ := c.tokens.sizes()
	mic := make([]byte, n)
	c.tokens.sign(message, mic, c.Send)
	c.Send++
	return mic, nil
}

// CheckMIC implements auth.Signer.
func (c *securityContext) CheckMIC(message, mic []byte) error {
	if c.tokens == nil {
		return auth.ErrState
	}
	return c.received(c.tokens.check(message, mic, c.Receive))
}

// EndMIC implements auth.Signer.
func (c *securityContext) EndMIC() {}
