// SPDX-License-Identifier: Apache-2.0

package ntlm

import "msrpcd/pkg/rpc/auth"

// Mirror is the client's end of a context with an exchanged key, for those who
// hold the other end: clients, and tests.
func Mirror(key [16]byte, level byte) auth.Context {
	return &securityContext{m: &Mechanism{}, level: level, caller: &auth.Caller{},
		in: newDirection(key[:], signToClient, sealToClient, true), out: newDirection(key[:], signToServer, sealToServer, true)}
}
