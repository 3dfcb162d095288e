// SPDX-License-Identifier: Apache-2.0

//go:build !race

package krb5

import (
	"testing"

	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
)

// The race detector makes a sync.Pool forget.
func TestProtectionDoesNotAllocate(t *testing.T) {
	for etype := range keySizes {
		for _, level := range []byte{dcerpc.LevelIntegrity, dcerpc.LevelPrivacy} {
			s, c := pairOf(etype)(t, level)
			f := authtest.Fragment(64, c.SignatureSize(), true)
			if n := testing.AllocsPerRun(100, func() { c.Protect(f); s.Unprotect(f) }); n != 0 {
				t.Errorf("type %d, level %d: %v allocations", etype, level, n)
			}
		}
	}
}
