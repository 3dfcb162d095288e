// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns handshakes: tokens of clients in bind, alter_context and auth3, and
// what is answered (C706 chapter 13, MS-RPCE 3.3.1.5.2). A mechanism may wait for a
// domain controller, so each of its steps runs on a goroutine, for stepLimit at
// most, counted as a blocking operation; its connection is not read meanwhile. No
// more than stepsAtOnce of a source go on at the same time, so that others do not
// wait for its steps. A client that has begun a handshake with its bind counts as
// unbound until the handshake is over.

const (
	stepLimit     = 10 * time.Second
	stepsAtOnce   = 8
	maxSecurities = 2049 // security contexts of a connection, as in Samba
)

var (
	errAuthLevel   = &dcerpc.Reject{Cause: "authentication level is not a known one", Nak: true, Reason: dcerpc.ReasonNotSpecified, Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthNone    = &dcerpc.Reject{Cause: "auth trailer without authentication", Nak: true, Reason: dcerpc.ReasonAuthType, Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthCall    = &dcerpc.Reject{Cause: "authentication level 'call' is for datagrams", Nak: true, Reason: dcerpc.ReasonChecksum, Fault: dcerpc.FaultSecurityPackage, Flags: dcerpc.FlagNotExecuted}
	errAuthChanged = &dcerpc.Reject{Cause: "a security context that is another one, or complete", Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
	errAuthType    = &dcerpc.Reject{Cause: "a security context of another mechanism", Fault: dcerpc.FaultSecurityPackage, Flags: dcerpc.FlagNotExecuted}
	errAuthFailed  = &dcerpc.Reject{Cause: "authentication failed", Nak: true, Reason: dcerpc.ReasonChecksum, Fault: dcerpc.FaultSecurityPackage, Flags: dcerpc.FlagNotExecuted}
	errAuthMany    = &dcerpc.Reject{Cause: "too many security contexts", Nak: true, Reason: dcerpc.ReasonLocalLimit, Fault: dcerpc.NcaProtoError, Flags: dcerpc.FlagNotExecuted}
	errAuthBusy    = &dcerpc.Reject{Cause: "too many handshakes at once", Nak: true, Reason: dcerpc.ReasonCongestion, Fault: dcerpc.NcaServerTooBusy, Flags: dcerpc.FlagNotExecuted}
)

// checkAuth looks at the trailer of a bind or alter_context before its
// presentation contexts are.
func checkAuth(p *dcerpc.PDU) *dcerpc.Reject {
	switch {
	case p.AuthLength == 0:
	case p.Auth.Level < dcerpc.LevelConnect || p.Auth.Level > dcerpc.LevelPrivacy:
		return errAuthLevel
	case p.Auth.Type == dcerpc.AuthNone:
		return errAuthNone
	}
	return nil
}

// secure is the security context that the trailer of a bind or alter_context is for:
// a new one, or one whose handshake goes on.
func (c *conn) secure(l *loop, a *dcerpc.Auth) (*security, *dcerpc.Reject) {
	if s := c.state.securities[a.ContextID]; s != nil {
		switch {
		case s.trailer.Type != a.Type:
			return nil, errAuthType
		case s.trailer.Level != a.Level || s.done || s.dead:
			return nil, errAuthChanged
		}
		return s, nil
	}
	if len(c.state.securities) >= maxSecurities {
		return nil, errAuthMany
	}
	ctx := l.begin(a.Type, a.Level, c)
	if ctx == nil {
		return nil, dcerpc.ErrAuthType // never served as anonymous
	}
	if a.Level == dcerpc.LevelCall {
		return nil, errAuthCall
	}
	if !c.claim(l, source.Securities, 1) {
		return nil, errAuthMany
	}
	s := &security{Context: ctx, trailer: dcerpc.Auth{Type: a.Type, Level: a.Level, ContextID: a.ContextID}}
	c.addSecurity(s)
	if _, ok := ctx.(*systemContext); !ok && !c.shake(l) {
		return nil, errAuthBusy
	}
	return s, nil
}

// begin makes the security context that a client asks for, by the program's
// mechanisms or, what these do not know, ncalrpc_as_system.
func (l *loop) begin(service, level byte, c *conn) auth.Context {
	for _, m := range l.srv.Auth {
		if m.Service() != service {
			continue
		}
		ctx, err := m.Begin(level)
		if err != nil {
			c.complain(l, slog.LevelWarn, "mechanism", journal.IDLogonFailed, "clients cannot authenticate: "+err.Error())
		}
		return ctx
	}
	if service == dcerpc.AuthNcalrpcSys && level == dcerpc.LevelConnect && l.isSystem(c) {
		return &systemContext{}
	}
	return nil
}

// step is one token of a client, and what became of it.
type step struct {
	loop    *loop
	conn    *conn
	sec     *security
	header  dcerpc.Header
	token   []byte
	ack     []byte // the answer but for its token; nil of an auth3
	context context.Context
	cancel  context.CancelFunc
	reply   []byte
	done    bool
	err     error
}

// handshake takes the token of a PDU. ack is the answer but for its own one.
func (c *conn) handshake(l *loop, p *dcerpc.PDU, s *security, ack []byte) *dcerpc.Reject {
	st := &step{loop: l, conn: c, sec: s, header: p.Header, token: append([]byte(nil), p.Auth.Value...), ack: ack}
	if s.steps++; s.steps > auth.MaxSteps {
		return errAuthFailed
	}
	if _, ok := s.Context.(*systemContext); ok {
		st.run(context.Background())
		st.finish()
		return nil
	}
	if !l.mayBlock(c) {
		return errAuthBusy
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	st.cancel = cancel
	c.stepping = st
	c.running++
	l.running++
	st.context = ctx
	if own := &c.from.Own; own.steps < stepsAtOnce {
		own.steps++
		st.start()
	} else {
		own.later = append(own.later, st)
	}
	return nil
}

// start has a goroutine do the step.
func (st *step) start() {
	go func() {
		st.run(st.context)
		st.loop.deliver(st)
	}()
}

// run is the mechanism's part.
func (st *step) run(ctx context.Context) {
	defer func() {
		if r := recover(); r != nil {
			st.err = fmt.Errorf("the mechanism failed: %v", r)
		}
	}()
	st.reply, st.done, st.err = st.sec.Step(ctx, st.token)
}

// ended goes on with the connection, on the loop.
func (st *step) ended(l *loop) {
	st.cancel()
	l.running--
	c := st.conn
	if own := &c.from.Own; len(own.later) > 0 {
		own.later[0].start()
		own.later = own.later[1:]
	} else {
		own.steps--
	}
	c.running--
	c.stepping = nil
	if c.fd < 0 {
		c.from.Own.gone--
		if c.running == 0 {
			c.leave(l)
		}
		return
	}
	l.ledger.Give(c.from, source.Blocking, 1)
	st.finish()
	c.proceed(l, nil)
}

// finish answers, unless it was an auth3. After an auth3 that failed every call is
// denied.
func (st *step) finish() {
	c, s, l := st.conn, st.sec, st.loop
	auth3, failed := st.ack == nil, errAuthFailed
	if st.err == nil && auth3 && (!st.done || len(st.reply) > 0) { // no way to answer
		st.err = auth.ErrToken
	}
	if st.err != nil || st.done {
		c.shaken(l, min(c.shaking, 1)) // 0 of the local system, which shakes no hands
	}
	if s.done = st.done && st.err == nil; s.done {
		s.caller = c.callerOf(l, s)
		if !l.vouch(c, s) {
			st.err, failed = errNoGroup, errNoGroup
		}
	}
	if st.err != nil {
		c.unauthenticated(l, st.err)
		s.dead = true
		c.state.denied = true
		if !auth3 {
			c.reject(l, failed, st.header, 0)
		}
		return
	}
	if s.done {
		c.changed = true
		if s.trailer.Level == dcerpc.LevelConnect && !c.state.explicit {
			c.state.implied = s
		}
		c.admit(l)
	}
	if auth3 {
		return
	}
	start := len(l.out)
	l.out = append(l.out, st.ack...)
	a := s.trailer
	a.Value = st.reply
	l.out, _ = dcerpc.AppendAuth(l.out, start, a, len(st.reply))
	c.frame(l, start)
}

// shake counts a handshake that begins. Of a source that has its share the oldest one
// goes; false when c has that.
func (c *conn) shake(l *loop) bool {
	own := &c.from.Own
	for !l.ledger.Take(c.from, source.Handshakes, 1) {
		oldest := own.shaking.first
		c.limit(l, source.Handshakes, true, "the oldest is given up")
		if oldest == c || oldest == nil {
			return false
		}
		oldest.close(l)
	}
	if c.shaking++; c.shaking == 1 {
		own.shaking.by = byHandshake
		own.shaking.push(c)
	}
	return true
}

// shaken counts n handshakes as over.
func (c *conn) shaken(l *loop, n int) {
	if n == 0 {
		return
	}
	l.ledger.Give(c.from, source.Handshakes, n)
	if c.shaking -= n; c.shaking == 0 {
		c.from.Own.shaking.remove(c)
	}
}

// admit counts the client as bound, when it is all that it said it would be.
func (c *conn) admit(l *loop) {
	for _, s := range c.state.securities {
		if !s.done {
			return
		}
	}
	if c.silent {
		l.unbound.remove(l, c)
		l.bound(c, false)
	}
}

// admitted reports whether the client has bound, and authenticated itself if it
// said that it would.
func (c *conn) admitted() bool { return c.state.bound && !c.silent }

// auth3 takes the last token of a client that expects no answer.
func (c *conn) auth3(l *loop, p *dcerpc.PDU) *dcerpc.Reject {
	if rej := dcerpc.ParseAuth3(*p); rej != nil {
		return rej
	}
	s := c.state.securities[p.Auth.ContextID]
	if s == nil || s.done || s.dead || !s.same(p.Auth) {
		return dcerpc.ErrUnexpected
	}
	return c.handshake(l, p, s, nil)
}
