// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/wire/dcerpc"
)

// Authenticator makes security contexts (C706 chapter 13, MS-RPCE 3.3.1.5.2).
// It runs on the loop and must not block.
type Authenticator interface {
	// Begin starts a security context of an authentication service and level
	// that a client asks for in a bind or alter_context. nil refuses it: the
	// client gets a bind_nak or a fault.
	Begin(service, level byte, caller *Caller) Security
}

// Security is one security context.
type Security interface {
	// Step takes a token of the client and returns the answer to it. done: the
	// client is authenticated. An error refuses it.
	Step(token []byte) (reply []byte, done bool, err error)
	// Identity is who the client is, once it is authenticated.
	Identity() any
	// Overhead is the length in bytes of the auth_value of each fragment, at the
	// levels packet and above.
	Overhead() int
	// Unprotect checks the fragment pdu against its auth_value and, at level
	// privacy, deciphers pdu[from:to] in place: the stub with its padding. At
	// level integrity and above with signHeader the header and the trailer are
	// signed too, else the stub alone.
	Unprotect(pdu []byte, from, to int, value []byte, signHeader bool) error
	// Protect fills value, the room for auth_value at the end of a fragment,
	// and at level privacy enciphers pdu[from:to] in place.
	Protect(pdu []byte, from, to int, value []byte, signHeader bool) error
}

// security is the security context of a connection.
type security struct {
	Security
	trailer dcerpc.Auth // type, level and context id, which never change
	done    bool
}

var (
	errAuthLevel   = &dcerpc.Reject{Cause: "authentication level that there is not", Nak: true, Reason: dcerpc.ReasonNotSpecified, Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthChanged = &dcerpc.Reject{Cause: "auth trailer of another security context", Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthOther   = &dcerpc.Reject{Cause: "call in another security context", Fault: dcerpc.FaultAccessDenied}
	errAuthMissing = &dcerpc.Reject{Cause: "call without the protection that was agreed on", Fault: dcerpc.FaultAccessDenied}
	errAuthBegun   = &dcerpc.Reject{Cause: "call before the client is authenticated", Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthFailed  = &dcerpc.Reject{Cause: "authentication failed", Nak: true, Reason: dcerpc.ReasonChecksum, Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errSignature   = &dcerpc.Reject{Cause: "a fragment's signature is wrong", Fault: dcerpc.FaultSecurityPackage, Flags: dcerpc.FlagNotExecuted}
)

// negotiateAuth takes the token of a bind or alter_context. reply is the
// trailer of the answer, nil without one.
func (c *conn) negotiateAuth(l *loop, p dcerpc.PDU) (reply *dcerpc.Auth, rej *dcerpc.Reject) {
	if p.AuthLength == 0 {
		return nil, nil
	}
	s := c.state.security
	if s == nil {
		a := p.Auth
		if a.Level < dcerpc.LevelConnect || a.Level > dcerpc.LevelPrivacy {
			return nil, errAuthLevel
		}
		ctx := l.begin(a.Type, a.Level, c)
		if ctx == nil {
			return nil, dcerpc.ErrAuthType // never served as anonymous
		}
		s = &security{Security: ctx, trailer: dcerpc.Auth{Type: a.Type, Level: a.Level, ContextID: a.ContextID}}
		c.state.security, c.changed = s, true
	}
	return c.stepAuth(p, s)
}

func (c *conn) stepAuth(p dcerpc.PDU, s *security) (reply *dcerpc.Auth, rej *dcerpc.Reject) {
	if !s.same(p.Auth) || s.done {
		return nil, errAuthChanged
	}
	token, done, err := s.Step(p.Auth.Value)
	if err != nil {
		return nil, errAuthFailed
	}
	s.done = done
	a := s.trailer
	a.Value = token
	return &a, nil
}

// auth3 takes the last token of a client that expects no answer.
func (c *conn) auth3(p dcerpc.PDU) *dcerpc.Reject {
	if rej := dcerpc.ParseAuth3(p); rej != nil {
		return rej
	}
	if c.state.security == nil {
		return dcerpc.ErrUnexpected
	}
	_, rej := c.stepAuth(p, c.state.security)
	if rej == nil && !c.state.security.done {
		rej = errAuthFailed
	}
	return rej
}

func (s *security) same(a dcerpc.Auth) bool {
	return a.Type == s.trailer.Type && a.Level == s.trailer.Level && a.ContextID == s.trailer.ContextID
}

// protects reports whether each fragment carries a signature.
func (s *security) protects() bool { return s.trailer.Level >= dcerpc.LevelCall }

// unprotect checks a request before it is looked at. What was enciphered is
// deciphered in place.
func (c *conn) unprotect(p dcerpc.PDU) *dcerpc.Reject {
	s := c.state.security
	switch {
	case s == nil && p.AuthLength > 0:
		return errAuthOther
	case s == nil:
		return nil
	case !s.done:
		return errAuthBegun
	case p.AuthLength == 0 && s.protects():
		return errAuthMissing
	case p.AuthLength == 0:
		return nil
	case !s.same(p.Auth):
		return errAuthOther
	case !s.protects():
		return nil // at level connect a trailer says nothing
	}
	from, to := dcerpc.StubOffset(p.Type, p.Flags), dcerpc.HeaderSize+len(p.Body)
	if from > to || s.Unprotect(p.Raw, from, to, p.Auth.Value, c.state.signHeader) != nil {
		return errSignature
	}
	return nil
}

// respond appends the fragments of a response, protected where that was agreed on.
func (c *conn) respond(l *loop, k *Call) bool {
	s := c.state.security
	if s == nil || !s.protects() {
		l.out = dcerpc.AppendFragments(l.out, k.header, k.ctx, k.Out.Bytes(), int(c.state.maxFrag))
		return true
	}
	f := dcerpc.Fragmenter{
		Header:    dcerpc.Header{Type: dcerpc.PTypeResponse, Drep: k.header.Drep, CallID: k.header.CallID},
		ContextID: k.ctx, Stub: k.Out.Bytes(), MaxXmit: int(c.state.maxFrag), Auth: s.trailer, AuthLen: s.Overhead(),
	}
	for more := true; more; {
		start := len(l.out)
		var value []byte
		l.out, value, more = f.Next(l.out)
		pdu := l.out[start:]
		to := len(pdu) - len(value) - trailerSize
		if s.Protect(pdu, dcerpc.StubOffset(dcerpc.PTypeResponse, 0), to, value, c.state.signHeader) != nil {
			return false
		}
	}
	return true
}

const trailerSize = 8 // sec_trailer without auth_value
