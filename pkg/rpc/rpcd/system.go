// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"fmt"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// This file owns ncalrpc_as_system, the authentication that every server has:
// Samba's programs on this host use it when root runs them, and insist on it. Its
// tokens are constants; what makes a client the local system is that the kernel
// says that its process is root's, over ncalrpc. Nobody else gets it.
//
// It has the level connect alone: there is no key, and nothing is signed.
// That is why its security context can outlive a crash, see keep.go.

const (
	systemToken  = "NCALRPC_AUTH_TOKEN"
	systemAnswer = "NCALRPC_AUTH_OK"
)

// isSystem reports whether the peer of a connection is the local system.
func (l *loop) isSystem(c *conn) bool {
	who := c.identify(l)
	return who.Transport.Local() && who.Cred.Uid == l.rootUID
}

// systemContext is the security context of the local system.
type systemContext struct{}

func (*systemContext) Step(_ context.Context, token []byte) (reply []byte, done bool, err error) {
	if string(token) != systemToken {
		return nil, false, fmt.Errorf("%w of ncalrpc_as_system", auth.ErrToken)
	}
	return []byte(systemAnswer), true, nil
}

var systemCaller = auth.Caller{Service: dcerpc.AuthNcalrpcSys, Account: "SYSTEM", Domain: "NT AUTHORITY",
	SIDs: []npa.SID{npa.SIDSystem, npa.SIDAdministrators}}

func (*systemContext) Caller() *auth.Caller { return &systemCaller }

// Fragments have no signature at its level.
func (*systemContext) SignatureSize() int              { return 0 }
func (*systemContext) Unprotect(auth.Fragment) error   { return auth.ErrState }
func (*systemContext) Protect(auth.Fragment) error     { return auth.ErrState }
func (*systemContext) Save(dst []byte) ([]byte, error) { return dst, nil }
func (*systemContext) Close()                          {}

// keepable reports whether the connection can be served on after a crash: it has no
// security context but that of the local system, which is complete.
func (c *conn) keepable() bool {
	for _, s := range c.state.securities {
		if _, system := s.Context.(*systemContext); !system || !s.done {
			return false
		}
	}
	return !c.state.denied
}

// resumeSystem makes the security context of a kept connection again. It believes
// the kernel, not what was written down.
func (l *loop) resumeSystem(c *conn, s *saved) error {
	if !l.isSystem(c) {
		return errSaved
	}
	n := &security{Context: &systemContext{}, done: true,
		trailer: dcerpc.Auth{Type: dcerpc.AuthNcalrpcSys, Level: dcerpc.LevelConnect, ContextID: s.authContext}}
	n.caller = c.callerOf(l, n)
	c.addSecurity(l, n)
	c.state.implied = n
	return nil
}
