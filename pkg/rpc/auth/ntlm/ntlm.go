// SPDX-License-Identifier: Apache-2.0

package ntlm

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"time"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/rc4"
	"msrpcd/pkg/wire/dcerpc"
)

// Mechanism makes NTLM contexts.
type Mechanism struct {
	Accounts auth.Accounts
	// WithoutMIC lets in clients that send no MIC at all, as some programs that
	// are not Windows. A MIC that was sent and taken away is refused always.
	WithoutMIC bool
}

// Service implements auth.Mechanism.
func (m *Mechanism) Service() byte { return dcerpc.AuthNTLM }

// Begin implements auth.Mechanism.
func (m *Mechanism) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &securityContext{m: m, level: level}, nil
}

// securityContext is one security context. in is nil until the client is authenticated,
// and after Close.
type securityContext struct {
	m       *Mechanism
	client  *Client // nil: the context is a server's
	level   byte
	in, out *direction
	caller  *auth.Caller
	dead    bool

	// Of the handshake, until it is over.
	challenge             [8]byte
	negotiate, challenged []byte // messages, for the MIC
}

// Step implements auth.Context.
func (c *securityContext) Step(ctx context.Context, token []byte) (reply []byte, done bool, err error) {
	switch kind := messageType(token); {
	case c.dead || c.in != nil:
		return nil, false, auth.ErrState
	case c.client != nil:
		reply, done, err = c.initiate(token)
	case kind == typeNegotiate && c.negotiate == nil:
		reply, err = c.challengeFor(ctx, token)
	case kind == typeAuthenticate && c.negotiate != nil:
		done, err = true, c.authenticate(ctx, token)
	default:
		err = malformed("message is of no type, or comes out of turn")
	}
	if err != nil {
		c.Close()
		return nil, false, err
	}
	return reply, done, nil
}

func (c *securityContext) challengeFor(ctx context.Context, token []byte) ([]byte, error) {
	names, err := c.m.Accounts.Names(ctx)
	if err != nil {
		return nil, err
	}
	flags := le.Uint32(token[12:])&flagsServed | flagNTLM | flagTargetInfo
	if flags&flagTarget != 0 {
		flags |= flagServer
	}
	rand.Read(c.challenge[:])
	c.negotiate = append([]byte(nil), token...)
	c.challenged = appendChallenge(nil, flags, c.challenge, names, time.Now())
	return c.challenged, nil
}

func (c *securityContext) authenticate(ctx context.Context, token []byte) error {
	a, err := parseAuthenticate(token)
	if err != nil {
		return err
	}
	name := a.user
	if a.domain != "" {
		name = a.domain + `\` + name
	}
	return auth.For(name, c.check(ctx, &a, token))
}

// check checks what an AUTHENTICATE_MESSAGE says, and makes the keys.
func (c *securityContext) check(ctx context.Context, a *authenticate, token []byte) (err error) {
	if err := c.strong(a); err != nil {
		return err
	}
	c.caller = &auth.Caller{Service: dcerpc.AuthNTLM, Anonymous: a.anonymous()}
	key, mic := make([]byte, 16), false
	if !c.caller.Anonymous {
		if mic, err = a.hasMIC(); err != nil {
			return err
		}
		if !mic && !c.m.WithoutMIC && auth.Protects(c.level) && a.flags&flagSign != 0 { // Samba has none without signatures
			return auth.Fail(auth.WeakNTLM, auth.ErrDenied, "the client sends no MIC")
		}
		who, err := c.m.Accounts.Logon(ctx, &auth.Logon{Account: a.user, Domain: a.domain, Workstation: a.workstation,
			Challenge: c.challenge, LMResponse: a.lm, NTResponse: a.nt})
		if err != nil {
			return err
		}
		c.caller.Account, c.caller.Domain, c.caller.SIDs = who.Name, who.Domain, who.SIDs
		copy(key, who.SessionKey[:])
		clear(who.SessionKey[:])
	}
	keyExch := a.flags&flagKeyExch != 0
	if keyExch {
		if len(a.key) != 16 {
			return malformed("client without the key that it exchanges")
		}
		var r rc4.Cipher
		r.Init(key)
		copy(key, a.key)
		r.Crypt(key)
	}
	c.caller.SessionKey = key
	if mic && !c.micHolds(token, key) {
		return auth.Fail(auth.WrongMIC, auth.ErrDenied, "the MIC of the handshake is wrong or was taken away")
	}
	c.in, c.out = newDirection(key, signToServer, sealToServer, keyExch), newDirection(key, signToClient, sealToClient, keyExch)
	c.negotiate, c.challenged = nil, nil
	return nil
}

// strong refuses what is too weak for the level. A client that does not say that it
// signs has to do it all the same, at levels that protect.
func (c *securityContext) strong(a *authenticate) error {
	want := uint32(0)
	if !a.anonymous() { // who has no key that others do not know, and what Samba's leave out
		want = flagExtended
		if auth.Protects(c.level) {
			want |= flag128 | flagKeyExch
		}
	}
	if c.level == dcerpc.LevelPrivacy {
		want |= flagSeal
	}
	if missing := want &^ (a.flags & le.Uint32(c.challenged[20:])); missing != 0 {
		return auth.Fail(auth.WeakNTLM, auth.ErrDenied, "the client leaves out flags 0x%08x of NTLM that the level needs", missing)
	}
	return nil
}

// micHolds checks the MIC, which is over all three messages (MS-NLMP 3.1.5.1.2).
func (c *securityContext) micHolds(token, key []byte) bool {
	if len(token) < micAt+micSize {
		return false
	}
	return subtle.ConstantTimeCompare(c.mic(token, key), token[micAt:micAt+micSize]) == 1
}

func (c *securityContext) mic(token, key []byte) []byte {
	return hmacMD5(key, c.negotiate, c.challenged, token[:micAt], make([]byte, micSize), token[micAt+micSize:])
}

// Caller implements auth.Context.
func (c *securityContext) Caller() *auth.Caller {
	if c.in == nil {
		return nil
	}
	return c.caller
}

// saved is what Save writes.
type saved struct {
	Level   byte
	In, Out *direction
	Caller  *auth.Caller
}

// Save implements auth.Context.
func (c *securityContext) Save(dst []byte) ([]byte, error) {
	if c.in == nil {
		return dst, auth.ErrState
	}
	b, err := json.Marshal(saved{c.level, c.in, c.out, c.caller})
	defer clear(b)
	return append(dst, b...), err
}

// Restore implements auth.Mechanism.
func (m *Mechanism) Restore(state []byte) (auth.Context, error) {
	var s saved
	if len(state) > auth.MaxState || json.Unmarshal(state, &s) != nil || !auth.ValidLevel(s.Level) || s.In == nil || s.Out == nil || s.Caller == nil {
		return nil, fmt.Errorf("%w: not the state of an NTLM context", auth.ErrState)
	}
	s.In.start()
	s.Out.start()
	return &securityContext{m: m, level: s.Level, in: s.In, out: s.Out, caller: s.Caller}, nil
}

// Close implements auth.Context.
func (c *securityContext) Close() {
	for _, d := range []*direction{c.in, c.out} {
		if d != nil {
			*d = direction{}
		}
	}
	if c.caller != nil {
		clear(c.caller.SessionKey)
	}
	c.in, c.out, c.negotiate, c.challenged, c.dead = nil, nil, nil, nil, true
}

// Mechanism is the one that made the context.
func (c *securityContext) Mechanism() auth.Mechanism { return c.m }
