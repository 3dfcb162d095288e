// SPDX-License-Identifier: Apache-2.0

package rpcclient

// This file owns the security context of a connection: its handshake, in bind and
// what follows it, and the protection of the fragments of calls (C706 chapter 13,
// MS-RPCE 3.3.1.5.2).

import (
	"context"
	"errors"
	"fmt"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// Errors of a bind with Options.Auth. The connection is dead after them.
var (
	// ErrMechanism: the server does not know the authentication service.
	ErrMechanism = errors.New("the server does not serve this authentication mechanism")
	// ErrLogon: the server refuses the credentials.
	ErrLogon = errors.New("the server refuses these credentials")
	// ErrServerAuth: the client refuses the server's part of the handshake.
	ErrServerAuth = errors.New("the server's answer does not authenticate it")
)

const securityID = 1 // auth_context_id

// security is the security context.
type security struct {
	auth.Context
	trailer    dcerpc.Auth
	signHeader bool
	unanswered bool // the server has said nothing yet to the last token, an auth3
}

// Caller is the account that the server knows the client by; nil without Options.Auth, and
// before Bind.
func (c *Conn) Caller() *auth.Caller {
	if c.security == nil {
		return nil
	}
	return c.security.Caller()
}

// secure begins a security context and returns its first token.
func (c *Conn) secure(ctx context.Context) ([]byte, error) {
	level := c.opts.Level
	if level == 0 {
		level = dcerpc.LevelPrivacy
	}
	s, err := c.opts.Auth.Begin(level)
	if err != nil {
		return nil, err
	}
	c.security = &security{Context: s, trailer: dcerpc.Auth{Type: c.opts.Auth.Service(), Level: level, ContextID: securityID}}
	token, _, err := s.Step(ctx, nil)
	return token, err
}

// appendToken adds a token to the PDU in c.out.
func (c *Conn) appendToken(token []byte) {
	a := c.security.trailer
	a.Value = token
	c.out, _ = dcerpc.AppendAuth(c.out, 0, a, len(token))
}

// handshake goes on with the handshake until it is over. offer and proposed are
// those of the bind, p is the answer to it.
func (c *Conn) handshake(ctx context.Context, p dcerpc.PDU, offer dcerpc.Offer, proposed []dcerpc.Presentation) error {
	c.security.signHeader = p.Flags&dcerpc.FlagSignHeader != 0
	offer.AssocGroup = c.ack.AssocGroup
	for range auth.MaxSteps {
		token, done, err := c.security.Step(ctx, p.Auth.Value)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrServerAuth, err)
		case done && len(token) == 0:
			return nil
		}
		h := c.header()
		if done && c.security.trailer.Type == dcerpc.AuthNTLM { // to which there is no answer
			h.Flags |= dcerpc.FlagFirst | dcerpc.FlagLast
			c.out = dcerpc.AppendAuth3(c.out[:0], h)
			c.appendToken(token)
			c.security.unanswered = true
			return c.write(c.out)
		}
		c.out = dcerpc.AppendAlterContext(c.out[:0], h, offer, proposed)
		c.appendToken(token)
		if err := c.write(c.out); err != nil {
			return err
		}
		if p, err = c.read(); err != nil {
			return err
		}
		if p.Type != dcerpc.PTypeAlterContextResp {
			return refusedLogon(refusal(p))
		}
		if done {
			return nil
		}
	}
	return broken("the handshake has no end")
}

// refusedLogon tells a refusal of authentication from others.
func refusedLogon(err error) error {
	var nak *Nak
	var fault *Fault
	switch {
	case errors.As(err, &nak) && nak.Reason == dcerpc.ReasonAuthType:
		return fmt.Errorf("%w: %w", ErrMechanism, err)
	case errors.As(err, &nak) && nak.Reason == dcerpc.ReasonChecksum,
		errors.As(err, &fault) && (fault.Status == dcerpc.FaultAccessDenied || fault.Status == dcerpc.FaultSecurityPackage):
		return fmt.Errorf("%w: %w", ErrLogon, err)
	}
	return err
}

// firstFault finds a refusal of authentication in the fault of a call: an auth3 has
// no answer of its own. Samba calls the call after it a protocol error.
func (c *Conn) firstFault(err error) error {
	if c.security == nil || !c.security.unanswered {
		return err
	}
	if errors.Is(err, dcerpc.NcaProtoError) {
		return fmt.Errorf("%w: %w", ErrLogon, err)
	}
	return refusedLogon(err)
}

// protects reports whether each fragment of a call has a signature.
func (c *Conn) protects() bool {
	return c.security != nil && auth.Protects(c.security.trailer.Level)
}

// signsHeader is as with servers: NTLM signs headers whether that was agreed on or not.
func (s *security) signsHeader() bool {
	return s.signHeader || s.Caller().Service == dcerpc.AuthNTLM
}

// appendCall appends the fragments of a request.
func (c *Conn) appendCall(f *dcerpc.Fragmenter) error {
	if !c.protects() {
		c.out = f.Append(c.out)
		return nil
	}
	s := c.security
	f.Auth, f.AuthLen = s.trailer, s.SignatureSize()
	for more := true; more; {
		start := len(c.out)
		var value []byte
		c.out, value, more = f.Next(c.out)
		pdu := c.out[start:]
		err := s.Protect(auth.Fragment{PDU: pdu, From: dcerpc.StubOffset(dcerpc.PTypeRequest, f.Header.Flags),
			To: len(pdu) - len(value) - auth.TrailerSize, SignHeader: s.signsHeader()})
		if err != nil {
			return err
		}
	}
	return nil
}

// unprotect checks a fragment of a response before it is looked at.
func (c *Conn) unprotect(p *dcerpc.PDU) error {
	if c.security != nil {
		c.security.unanswered = false
	}
	if !c.protects() {
		return nil
	}
	s := c.security
	if t := s.trailer; p.AuthLength == 0 || p.Auth.Type != t.Type || p.Auth.Level != t.Level || p.Auth.ContextID != t.ContextID {
		return broken("an answer without the protection that was agreed on")
	}
	f := auth.Fragment{PDU: p.Raw, From: dcerpc.StubOffset(p.Type, p.Flags), To: dcerpc.HeaderSize + len(p.Body), SignHeader: s.signsHeader()}
	if !f.Valid() || s.Unprotect(f) != nil {
		return broken("the signature of an answer is wrong")
	}
	return nil
}
