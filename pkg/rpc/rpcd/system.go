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
// says that its process is root's, over ncalrpc. No other client gets it.
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
