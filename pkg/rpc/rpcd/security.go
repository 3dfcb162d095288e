// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns the security contexts of a connection whose handshakes are over:
// which one a call is made in, and the protection of its fragments. All fragments of
// a call are in the context of the first one, whatever their trailers say.

// security is one security context.
type security struct {
	auth.Context
	trailer dcerpc.Auth // type, level and context id, which never change
	steps   int         // of the handshake
	done    bool        // the client is authenticated
	dead    bool        // it is not, and will not be
	caller  *Caller
}

var (
	errAuthOther = &dcerpc.Reject{Cause: "call in a security context that there is not", Fault: dcerpc.FaultAccessDenied}
	errAuthBegun = &dcerpc.Reject{Cause: "call before the client is authenticated", Fault: dcerpc.NcaProtoError, Flags: dcerpc.FlagNotExecuted}
	errNoTrailer = &dcerpc.Reject{Cause: "fragment without the protection of its call", Fault: dcerpc.NcaProtoError}
	errSignature = &dcerpc.Reject{Cause: "a fragment's signature is wrong", Fault: dcerpc.FaultSecurityPackage}
)

func (c *conn) addSecurity(s *security) {
	if c.state.securities == nil {
		c.state.securities = map[uint32]*security{}
	}
	c.state.securities[s.trailer.ContextID] = s
	c.changed = true
}

// endSecurity zeroes all keys. No step and no call runs any more.
func (c *conn) endSecurity() {
	for _, s := range c.state.securities {
		s.Close()
	}
	c.state.securities, c.state.implied, c.security = nil, nil, nil
}

func (s *security) same(a dcerpc.Auth) bool {
	return a.Type == s.trailer.Type && a.Level == s.trailer.Level && a.ContextID == s.trailer.ContextID
}

// protects reports whether each fragment carries a signature.
func (s *security) protects() bool { return s != nil && auth.Protects(s.trailer.Level) }

// signsHeader reports whether the headers of fragments are signed. With NTLM they
// are, whether that was agreed on or not.
func (c *conn) signsHeader(s *security) bool {
	return c.state.signHeader || s.caller.Service == dcerpc.AuthNTLM
}

// choose finds the security context of a call's first fragment and sets c.security:
// that of its trailer, or else the newest of level connect, as long as the client
// has never named one, or else none: then the caller is what the transport says.
func (c *conn) choose(p *dcerpc.PDU) *dcerpc.Reject {
	c.security = nil
	if len(c.state.securities) == 0 {
		if p.AuthLength > 0 {
			return errAuthOther
		}
		return nil
	}
	if c.state.denied {
		return errAuthOther
	}
	if p.AuthLength == 0 {
		if c.silent {
			return errAuthBegun
		}
		c.security = c.state.implied
		return nil
	}
	s := c.state.securities[p.Auth.ContextID]
	switch {
	case s == nil || !s.same(p.Auth):
		return errAuthOther
	case !s.done:
		return errAuthBegun
	}
	if !c.state.explicit {
		c.state.implied, c.state.explicit, c.changed = nil, true, true
	}
	c.security = s
	return nil
}

// unprotect checks a fragment before it is looked at, and finds out in which
// security context its call is. What was enciphered is deciphered in place.
func (c *conn) unprotect(p *dcerpc.PDU, q *dcerpc.Request) *dcerpc.Reject {
	call, collecting := c.calls.Collecting()
	switch {
	case collecting && call.CallID != p.CallID:
		return nil // it has no place in the call, and is refused for that
	case collecting && c.security.protects() && p.AuthLength == 0:
		return errNoTrailer
	case collecting:
	case p.Flags&dcerpc.FlagFirst == 0 && !c.calls.Multiplex:
		return nil // of no call
	case p.Flags&dcerpc.FlagFirst == 0 && c.context(q.ContextID) == nil:
		return dcerpc.ErrUnknownContext
	default:
		if rej := c.choose(p); rej != nil {
			return rej
		}
	}
	if !c.security.protects() { // at level connect a trailer says nothing
		return nil
	}
	f := auth.Fragment{PDU: p.Raw, From: dcerpc.StubOffset(p.Type, p.Flags), To: dcerpc.HeaderSize + len(p.Body), SignHeader: c.signsHeader(c.security)}
	if !f.Valid() || c.security.Unprotect(f) != nil {
		return errSignature
	}
	return nil
}

// respond appends the fragments of a response, protected where that was agreed on.
func (c *conn) respond(l *loop, k *Call) bool {
	s := k.security
	if !s.protects() {
		l.out = dcerpc.AppendFragments(l.out, k.header, k.ctx, k.Out.Bytes(), int(c.state.maxFrag))
		return true
	}
	f := dcerpc.Fragmenter{
		Header:    dcerpc.Header{Type: dcerpc.PTypeResponse, Drep: k.header.Reply(0).Drep, CallID: k.header.CallID},
		ContextID: k.ctx, Stub: k.Out.Bytes(), MaxXmit: int(c.state.maxFrag), Auth: s.trailer, AuthLen: s.SignatureSize(),
	}
	for more := true; more; {
		start := len(l.out)
		var value []byte
		l.out, value, more = f.Next(l.out)
		pdu := l.out[start:]
		if s.Protect(auth.Fragment{PDU: pdu, From: dcerpc.StubOffset(dcerpc.PTypeResponse, 0), To: len(pdu) - len(value) - auth.TrailerSize,
			SignHeader: c.signsHeader(s)}) != nil {
			return false
		}
	}
	return true
}

// verify strips the verification trailer that a client put behind the arguments of a
// protected call, and checks it.
func (c *conn) verify(call *dcerpc.Call, ctx *presentation) *dcerpc.Reject {
	if !c.security.protects() {
		return nil
	}
	transfer := dcerpc.NDR
	if ctx.ndr64 {
		transfer = dcerpc.NDR64
	}
	stub, rej := dcerpc.CutVerification(call, ctx.iface.id(), transfer, c.state.signHeader)
	call.Stub = stub
	return rej
}
