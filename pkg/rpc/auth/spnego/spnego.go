// SPDX-License-Identifier: Apache-2.0

package spnego

import (
	"context"
	"encoding/asn1"
	"fmt"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/wire/dcerpc"
)

var oidNTLM = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}

// Mechanism makes contexts of one of other mechanisms.
type Mechanism struct{ by map[byte]auth.Mechanism }

// New negotiates mechanisms whose contexts are auth.Signers.
func New(mechanisms ...auth.Mechanism) *Mechanism {
	m := &Mechanism{by: map[byte]auth.Mechanism{}}
	for _, one := range mechanisms {
		m.by[one.Service()] = one
	}
	return m
}

// Service implements auth.Mechanism.
func (m *Mechanism) Service() byte { return dcerpc.AuthSPNEGO }

// Begin implements auth.Mechanism.
func (m *Mechanism) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &securityContext{m: m, level: level}, nil
}

// find is the mechanism of an object identifier, nil when there is none.
func (m *Mechanism) find(oid asn1.ObjectIdentifier) auth.Mechanism {
	switch {
	case oid.Equal(oidNTLM):
		return m.by[dcerpc.AuthNTLM]
	case oid.Equal(krb5.OID), oid.Equal(krb5.MSOID):
		return m.by[dcerpc.AuthKerberos]
	}
	return nil
}

// securityContext is one negotiation, and the context that came of it.
type securityContext struct {
	m     *Mechanism
	level byte
	used  auth.Signer // nil until chosen
	dead  bool

	mechanism asn1.ObjectIdentifier // that was chosen
	list      []byte                // that MICs are over
	wantMIC   bool                  // the client has to send one
	complete  bool                  // used is done
	done      bool                  // all is
}

// Step implements auth.Context.
func (c *securityContext) Step(ctx context.Context, token []byte) (reply []byte, done bool, err error) {
	switch {
	case c.dead || c.done:
		return nil, false, auth.ErrState
	case c.used == nil:
		reply, err = c.begin(ctx, token)
	default:
		reply, err = c.goOn(ctx, token)
	}
	return c.stepped(reply, err)
}

// stepped ends a step, and with an error the context.
func (c *securityContext) stepped(reply []byte, err error) ([]byte, bool, error) {
	if err != nil {
		c.Close()
		return nil, false, err
	}
	return reply, c.done, nil
}

// begin chooses a mechanism.
func (c *securityContext) begin(ctx context.Context, token []byte) ([]byte, error) {
	o, err := parseOffer(token)
	if err != nil {
		return nil, err
	}
	for i, oid := range o.mechanisms {
		m := c.m.find(oid)
		if m == nil {
			continue
		}
		one, err := m.Begin(c.level)
		if err != nil {
			return nil, err
		}
		c.used, c.mechanism, c.list = one.(auth.Signer), oid, append([]byte(nil), o.list...)
		if i > 0 || o.token == nil {
			c.wantMIC = i > 0
			return marshalResponse(c.state(), response{mechanism: oid})
		}
		return c.advance(ctx, response{token: o.token}, oid)
	}
	return nil, auth.Fail(auth.NotServed, auth.ErrDenied, "SPNEGO: none of the client's %d mechanisms is served", len(o.mechanisms))
}

// state is what a first answer says.
func (c *securityContext) state() int64 {
	if c.wantMIC {
		return requestMIC
	}
	return incomplete
}

func (c *securityContext) goOn(ctx context.Context, token []byte) ([]byte, error) {
	r, err := parseResponse(token)
	if err != nil {
		return nil, err
	}
	if r.mechanism != nil && !r.mechanism.Equal(c.mechanism) {
		return nil, malformed("client changes the mechanism")
	}
	return c.advance(ctx, r, nil)
}

// advance takes what a client sent; told is the mechanism that the answer names.
func (c *securityContext) advance(ctx context.Context, r response, told asn1.ObjectIdentifier) (reply []byte, err error) {
	answer := response{mechanism: told}
	if !c.complete {
		if answer.token, c.complete, err = c.used.Step(ctx, r.token); err != nil {
			return nil, err
		}
		if !c.complete {
			return marshalResponse(incomplete, answer)
		}
		if r.mic != nil || c.wantMIC {
			if r.mic != nil {
				err = c.used.CheckMIC(c.list, r.mic)
			}
			if err == nil {
				answer.mic, err = c.used.SignMIC(c.list)
			}
			if err != nil {
				return nil, err
			}
		}
		if r.mic == nil && c.wantMIC {
			return marshalResponse(incomplete, answer)
		}
	} else if r.token != nil || r.mic == nil {
		return nil, malformed("client sends no MIC, which it has to")
	} else if err := c.used.CheckMIC(c.list, r.mic); err != nil {
		return nil, err
	}
	if r.mic != nil {
		c.used.EndMIC()
	}
	c.done, c.list = true, nil
	return marshalResponse(accepted, answer)
}

// Caller implements auth.Context.
func (c *securityContext) Caller() *auth.Caller {
	if !c.done {
		return nil
	}
	return c.used.Caller()
}

// SignatureSize implements auth.Context.
func (c *securityContext) SignatureSize() int {
	if !c.done {
		return 0
	}
	return c.used.SignatureSize()
}

// Protect implements auth.Context.
func (c *securityContext) Protect(f auth.Fragment) error {
	if !c.done {
		return auth.ErrState
	}
	return c.used.Protect(f)
}

// Unprotect implements auth.Context.
func (c *securityContext) Unprotect(f auth.Fragment) error {
	if !c.done {
		return auth.ErrState
	}
	return c.used.Unprotect(f)
}

// Save implements auth.Context: the service that was chosen, and its state.
func (c *securityContext) Save(dst []byte) ([]byte, error) {
	who := c.Caller()
	if who == nil {
		return dst, auth.ErrState
	}
	return c.used.Save(append(dst, who.Service))
}

// Restore implements auth.Mechanism.
func (m *Mechanism) Restore(state []byte) (auth.Context, error) {
	if len(state) == 0 || m.by[state[0]] == nil {
		return nil, fmt.Errorf("%w: not the state of a negotiated context", auth.ErrState)
	}
	one, err := m.by[state[0]].Restore(state[1:])
	if err != nil {
		return nil, err
	}
	return &securityContext{m: m, used: one.(auth.Signer), complete: true, done: true}, nil
}

// Close implements auth.Context.
func (c *securityContext) Close() {
	if c.used != nil {
		c.used.Close()
	}
	c.dead, c.done = true, false
}

// Mechanism is the one that made the context.
func (c *securityContext) Mechanism() auth.Mechanism { return c.m }
