// SPDX-License-Identifier: Apache-2.0

package spnego

// This file owns the side of a client, which offers one mechanism: it signs the list
// of mechanisms always, and checks the server's signature when one comes. An
// attacker gains nothing by taking it out: the list has no second mechanism.

import (
	"context"
	"encoding/asn1"
	"fmt"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/wire/dcerpc"
)

// Client negotiates one mechanism of a client, NTLM or Kerberos, whose contexts are
// auth.Signers.
type Client struct{ Mechanism auth.Mechanism }

// Service implements auth.Mechanism.
func (c *Client) Service() byte { return dcerpc.AuthSPNEGO }

// Begin implements auth.Mechanism.
func (c *Client) Begin(level byte) (auth.Context, error) {
	one, err := c.Mechanism.Begin(level)
	if err != nil {
		return nil, err
	}
	oid := oidNTLM
	if c.Mechanism.Service() == dcerpc.AuthKerberos {
		oid = krb5.OID
	}
	return &clientContext{securityContext{used: one.(auth.Signer), level: level, mechanism: oid}}, nil
}

// Restore implements auth.Mechanism: a client's context ends with its process.
func (c *Client) Restore([]byte) (auth.Context, error) { return nil, auth.ErrState }

// clientContext is a securityContext whose steps are a client's.
type clientContext struct{ securityContext }

// Step implements auth.Context.
func (c *clientContext) Step(ctx context.Context, token []byte) (reply []byte, done bool, err error) {
	switch {
	case c.dead || c.done:
		return nil, false, auth.ErrState
	case c.list == nil:
		if reply, _, err = c.used.Step(ctx, nil); err == nil {
			reply, c.list, err = marshalOffer(c.mechanism, reply)
		}
	default:
		reply, err = c.goOn(ctx, token)
	}
	return c.stepped(reply, err)
}

func (c *clientContext) goOn(ctx context.Context, token []byte) ([]byte, error) {
	r, err := parseResponse(token)
	switch {
	case err != nil:
		return nil, err
	case r.state == rejected, r.mechanism != nil && !same(r.mechanism, c.mechanism):
		return nil, fmt.Errorf("%w: the server does not take the mechanism that SPNEGO offers it", auth.ErrDenied)
	case c.complete:
		return nil, c.end(r)
	}
	answer := response{}
	if answer.token, c.complete, err = c.used.Step(ctx, r.token); err == nil && c.complete {
		answer.mic, err = c.used.SignMIC(c.list)
	}
	if err != nil {
		return nil, err
	}
	return marshalResponse(incomplete, answer)
}

// same holds Kerberos for Kerberos, whichever of its two names the server uses.
func same(told, offered asn1.ObjectIdentifier) bool {
	return told.Equal(offered) || offered.Equal(krb5.OID) && told.Equal(krb5.MSOID)
}

// end takes the server's last word.
func (c *clientContext) end(r response) error {
	if r.state != accepted || r.token != nil {
		return malformed("server does not end the negotiation")
	}
	if r.mic != nil {
		if err := c.used.CheckMIC(c.list, r.mic); err != nil {
			return err
		}
	}
	c.used.EndMIC()
	c.done = true
	return nil
}
