// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"errors"

	"msrpcd/pkg/wire/dcerpc"
)

// This file owns ncalrpc_as_system, the authentication that every server has:
// Samba's programs on this host use it when root runs them, and insist on it. Its
// tokens are constants; what makes a client the local system is that the kernel
// says that its process is root's, over ncalrpc. Nobody else gets it.
//
// It has the level connect alone: there is no key, and nothing is signed.
// That is why its security context can outlive the process, see keep.go.

// System is the Identity of a caller who is authenticated as the local system.
type System struct{}

func (System) String() string { return `NT AUTHORITY\SYSTEM` }

const (
	systemToken  = "NCALRPC_AUTH_TOKEN"
	systemAnswer = "NCALRPC_AUTH_OK"
)

// begin makes the security context that a client asks for, by the program's
// Authenticator or, what that does not know, ncalrpc_as_system.
func (l *loop) begin(service, level byte, c *conn) Security {
	if l.srv.Auth != nil {
		if s := l.srv.Auth.Begin(service, level, c.identify(l)); s != nil {
			return s
		}
	}
	if service == dcerpc.AuthNcalrpcSys && level == dcerpc.LevelConnect && l.isSystem(c) {
		return systemContext{}
	}
	return nil
}

// isSystem reports whether the peer of a connection is the local system.
func (l *loop) isSystem(c *conn) bool {
	who := c.identify(l)
	return who.Transport.Local() && who.Cred.Uid == l.rootUID
}

// systemContext is the security context of the local system.
type systemContext struct{}

var errSystemToken = errors.New("not the token of ncalrpc_as_system")

func (systemContext) Step(token []byte) (reply []byte, done bool, err error) {
	if string(token) != systemToken {
		return nil, false, errSystemToken
	}
	return []byte(systemAnswer), true, nil
}

func (systemContext) Identity() any { return System{} }

// Fragments have no signature at its level.
func (systemContext) Overhead() int                                  { return 0 }
func (systemContext) Unprotect([]byte, int, int, []byte, bool) error { return errSystemLevel }
func (systemContext) Protect([]byte, int, int, []byte, bool) error   { return errSystemLevel }

var errSystemLevel = errors.New("ncalrpc_as_system protects nothing")

// keepable reports whether the security context of a connection, if it has one,
// can be written down: that of the local system.
func (c *conn) keepable() bool {
	s := c.state.security
	if s == nil {
		return true
	}
	_, system := s.Security.(systemContext)
	return system && s.done
}

// resumeSystem makes the security context of a kept connection again. It believes
// the kernel, not what was written down.
func (l *loop) resumeSystem(c *conn, s *saved) error {
	if !l.isSystem(c) {
		return errSaved
	}
	c.state.security = &security{Security: systemContext{}, done: true,
		trailer: dcerpc.Auth{Type: dcerpc.AuthNcalrpcSys, Level: dcerpc.LevelConnect, ContextID: s.authContext}}
	return nil
}
