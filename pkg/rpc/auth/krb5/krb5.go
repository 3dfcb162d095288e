// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// OID is the mechanism's; MSOID a mistake of Windows 2000 that lives on.
var (
	OID   = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	MSOID = asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2}
)

// Flags of GSS-API (RFC 4121 4.1.1.1, MS-KILE 3.2.5.2).
const (
	flagIntegrity = 0x20
	flagPrivacy   = 0x10
	flagDCEStyle  = 0x1000
)

// Mechanism makes Kerberos contexts.
type Mechanism struct {
	library  library
	accounts auth.Accounts
}

// New makes the mechanism with the keys of a keytab. accounts checks PACs; nil
// leaves them alone: clients have no SIDs then.
func New(keytab []byte, accounts auth.Accounts) (*Mechanism, error) {
	l, err := newLibrary(keytab)
	if err != nil {
		return nil, err
	}
	return &Mechanism{library: l, accounts: accounts}, nil
}

// Restorer is the mechanism without keys: it can only go on with contexts.
func Restorer() *Mechanism { return &Mechanism{library: gokrb5{}} }

// Service implements auth.Mechanism.
func (m *Mechanism) Service() byte { return dcerpc.AuthKerberos }

// Begin implements auth.Mechanism.
func (m *Mechanism) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &securityContext{m: m, state: state{Level: level}}, nil
}

// state is what Save writes.
type state struct {
	Level      byte
	Initiator  bool // a client's
	ClientsKey bool // the server made none
	Key        key
	Send       uint64 // sequence number of the next fragment
	Receive    uint64
	Caller     *auth.Caller
}

// securityContext is one security context. tokens is nil until the client is
// authenticated, and after Close.
type securityContext struct {
	state
	m       *Mechanism
	client  *Client // nil: the context is a server's
	tokens  tokens
	request *request
	dead    bool
}

// Step implements auth.Context.
func (c *securityContext) Step(ctx context.Context, token []byte) (reply []byte, done bool, err error) {
	switch {
	case c.dead || c.tokens != nil:
		return nil, false, auth.ErrState
	case c.client != nil:
		reply, done, err = c.initiate(token)
	case c.request == nil:
		reply, err = c.accept(token)
	default:
		done, err = true, c.finish(ctx, token)
	}
	if err != nil {
		c.Close()
		return nil, false, err
	}
	return reply, done, nil
}

func (c *securityContext) accept(token []byte) ([]byte, error) {
	r, err := c.m.library.accept(unframe(token))
	if err != nil {
		return nil, err
	}
	if r.flags&flagDCEStyle == 0 {
		return nil, fmt.Errorf("%w: the client leaves out DCE style", auth.ErrDenied)
	}
	var seq [4]byte
	rand.Read(seq[:])
	seq[0] &= 0x3f // others have trouble with more than 30 bits
	c.request = r
	c.Send, c.Receive = uint64(binary.BigEndian.Uint32(seq[:])), uint64(r.seq)
	return c.m.library.reply(r, uint32(c.Send))
}

// finish takes the third leg. As Windows does, it is here that a client is denied
// which leaves out the flag for privacy; the one for integrity is not asked for,
// since each fragment has to be signed anyway.
func (c *securityContext) finish(ctx context.Context, token []byte) error {
	r := c.request
	if c.Level == dcerpc.LevelPrivacy && r.flags&flagPrivacy == 0 {
		return fmt.Errorf("%w: the client leaves out the flag of GSS-API that privacy needs", auth.ErrDenied)
	}
	seq, err := c.m.library.third(r, token)
	if err != nil {
		return err
	}
	if seq != uint32(c.Send) {
		return fmt.Errorf("%w: third leg is of another handshake", auth.ErrDenied)
	}
	caller := &auth.Caller{Service: dcerpc.AuthKerberos, Account: r.client, Domain: r.realm}
	if c.m.accounts != nil {
		who, err := c.m.accounts.PAC(ctx, r.pac)
		if err != nil {
			return auth.For(r.client, err)
		}
		caller.SIDs = who.SIDs // none without a PAC
		if who.Name != "" {
			caller.Account, caller.Domain = who.Name, who.Domain
		}
	}
	c.Key = key{r.context.Type, bytes.Clone(r.context.Value)}
	caller.SessionKey = bytes.Clone(c.Key.Value)
	if c.tokens, err = newTokens(c.m.library, &c.state); err != nil {
		return fmt.Errorf("%w: encryption type %d: %v", auth.ErrDenied, c.Key.Type, err)
	}
	c.state.Caller = caller
	c.request.close()
	c.request = nil
	return nil
}

// unframe takes the frame of GSS-API off an initial token (RFC 2743 3.1); some
// clients send none in DCE style.
func unframe(token []byte) []byte {
	s := cryptobyte.String(token)
	var body, oid cryptobyte.String
	if !s.ReadASN1(&body, 0x60) || !body.ReadASN1(&oid, cryptobyte_asn1.OBJECT_IDENTIFIER) || len(body) < 2 || body[0] != 1 || body[1] != 0 {
		return token
	}
	return body[2:]
}

// Caller implements auth.Context.
func (c *securityContext) Caller() *auth.Caller {
	if c.tokens == nil {
		return nil
	}
	return c.state.Caller
}

// Save implements auth.Context.
func (c *securityContext) Save(dst []byte) ([]byte, error) {
	if c.tokens == nil {
		return dst, auth.ErrState
	}
	b, err := json.Marshal(&c.state)
	defer clear(b)
	return append(dst, b...), err
}

// Restore implements auth.Mechanism.
func (m *Mechanism) Restore(saved []byte) (auth.Context, error) {
	c := &securityContext{m: m}
	if len(saved) > auth.MaxState || json.Unmarshal(saved, &c.state) != nil || !auth.ValidLevel(c.Level) || c.state.Caller == nil {
		return nil, fmt.Errorf("%w: not the state of a Kerberos context", auth.ErrState)
	}
	var err error
	if c.tokens, err = newTokens(m.library, &c.state); err != nil {
		return nil, fmt.Errorf("%w: %v", auth.ErrState, err)
	}
	return c, nil
}

// Close implements auth.Context. Ciphers made of the keys are dropped.
func (c *securityContext) Close() {
	clear(c.Key.Value)
	if c.state.Caller != nil {
		clear(c.state.Caller.SessionKey)
	}
	c.request.close()
	c.tokens, c.request, c.dead = nil, nil, true
}

// close zeroes the keys of a handshake.
func (r *request) close() {
	if r != nil {
		clear(r.session.Value)
		clear(r.context.Value)
	}
}

// Mechanism is the one that made the context.
func (c *securityContext) Mechanism() auth.Mechanism { return c.m }
