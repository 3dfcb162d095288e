// SPDX-License-Identifier: Apache-2.0

package ntlm

// This file owns the side of a client: it answers a challenge with NTLMv2 and a MIC,
// and refuses a server that wants less.

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	//lint:ignore SA1019 NTLM is made of it
	"golang.org/x/crypto/md4"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/rc4"
	"msrpcd/pkg/wire/dcerpc"
)

// Client makes contexts of a client.
type Client struct {
	Account, Domain string // the domain is "" for that of the server
	Hash            [16]byte
}

// Hash is the NT hash of a password, which it zeroes.
func Hash(password []byte) (hash [16]byte) {
	wide := make([]byte, 0, 2*len(password))
	for b := password; len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		for _, u := range utf16.AppendRune(nil, r) {
			wide = le.AppendUint16(wide, u)
		}
		b = b[n:]
	}
	h := md4.New()
	h.Write(wide)
	clear(wide)
	clear(password)
	return [16]byte(h.Sum(nil))
}

// Service implements auth.Mechanism.
func (c *Client) Service() byte { return dcerpc.AuthNTLM }

// Begin implements auth.Mechanism.
func (c *Client) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &securityContext{m: &Mechanism{}, client: c, level: level}, nil
}

// Restore implements auth.Mechanism: a client's context ends with its process.
func (c *Client) Restore([]byte) (auth.Context, error) { return nil, auth.ErrState }

// flagsNeeded are those without which a server gets no answer.
const flagsNeeded = flagUnicode | flagSign | flagSeal | flagNTLM | flagExtended | flagTargetInfo | flag128 | flagKeyExch

// initiate makes the two messages of a client.
func (c *securityContext) initiate(token []byte) (reply []byte, done bool, err error) {
	if c.negotiate == nil {
		c.negotiate = le.AppendUint32(append([]byte(signature), typeNegotiate, 0, 0, 0), flagsServed|flagTargetInfo)
		c.negotiate = append(c.negotiate, make([]byte, 24)...) // no names; the version says nothing
		return c.negotiate, false, nil
	}
	reply, err = c.answer(token)
	return reply, err == nil, err
}

// answer makes the AUTHENTICATE_MESSAGE to a challenge, and the keys.
func (c *securityContext) answer(token []byte) ([]byte, error) {
	challenge, info, flags, err := parseChallenge(token)
	if err != nil {
		return nil, err
	}
	if missing := flagsNeeded &^ flags; missing != 0 {
		return nil, fmt.Errorf("%w: the server leaves out flags 0x%08x of NTLM: it offers less than NTLMv2 with 128-bit keys", auth.ErrDenied, missing)
	}
	blob, err := clientBlob(info)
	if err != nil {
		return nil, err
	}
	proof, base := prove(c.client.Hash, c.client.Account, c.client.Domain, challenge, blob)
	key, exchanged := make([]byte, 16), make([]byte, 16)
	rand.Read(key)
	copy(exchanged, key)
	var r rc4.Cipher
	r.Init(base[:])
	r.Crypt(exchanged)
	clear(base[:])
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	b := le.AppendUint32([]byte(signature), typeAuthenticate)
	b = append(b, make([]byte, micAt+micSize-len(b))...)
	for i, f := range [][]byte{make([]byte, 24), append(proof, blob...), utf16le(c.client.Domain), utf16le(c.client.Account),
		utf16le(strings.ToUpper(host)), exchanged} {
		appendField(b[:12+8*i], len(f), len(b))
		b = append(b, f...)
	}
	le.PutUint32(b[60:], flags&(flagsServed|flagTargetInfo))
	c.challenged = token
	copy(b[micAt:], c.mic(b, key))
	c.caller = &auth.Caller{Service: dcerpc.AuthNTLM, Account: c.client.Account, Domain: c.client.Domain, SessionKey: key}
	c.in, c.out = newDirection(key, signToClient, sealToClient, true), newDirection(key, signToServer, sealToServer, true)
	c.negotiate, c.challenged = nil, nil
	return b, nil
}

// parseChallenge reads a CHALLENGE_MESSAGE: its challenge, and its target info.
func parseChallenge(b []byte) (challenge, info []byte, flags uint32, err error) {
	if messageType(b) != typeChallenge || len(b) < challengeSize-8 {
		return nil, nil, 0, malformed("message is not a whole CHALLENGE")
	}
	n, from := int(le.Uint16(b[40:])), le.Uint32(b[44:])
	if uint64(from)+uint64(n) > uint64(len(b)) {
		return nil, nil, 0, malformed("field is beyond the message")
	}
	return b[24:32], b[from : int(from)+n], le.Uint32(b[20:]), nil
}

// clientBlob is an NTLMv2 response behind the proof: the server's pairs, and that
// there is a MIC.
func clientBlob(info []byte) ([]byte, error) {
	stamp, flags := filetime(time.Now()), uint32(avFlagMIC)
	var pairs []byte
	for b := info; ; {
		if len(b) < 4 {
			return nil, malformed("target info without an end")
		}
		id, n := le.Uint16(b), int(le.Uint16(b[2:]))
		if b = b[4:]; n > len(b) {
			return nil, malformed("pair is beyond the target info")
		}
		if id == avEOL {
			break
		}
		switch {
		case id == avTimestamp && n == 8:
			stamp = le.Uint64(b)
		case id == avFlags && n == 4:
			flags |= le.Uint32(b)
		}
		if id != avFlags {
			pairs = appendPair(pairs, id, b[:n])
		}
		b = b[n:]
	}
	blob := le.AppendUint64([]byte{1, 1, 0, 0, 0, 0, 0, 0}, stamp)
	var own [8]byte
	rand.Read(own[:])
	blob = append(append(append(blob, own[:]...), 0, 0, 0, 0), pairs...)
	blob = appendPair(appendPair(blob, avFlags, le.AppendUint32(nil, flags)), avEOL, nil)
	return append(blob, 0, 0, 0, 0), nil
}
