// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"bytes"
	"fmt"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// pairOf makes pairs with a key of an encryption type.
func pairOf(etype int32) authtest.Pair {
	return func(t testing.TB, level byte) (server, client auth.Context) {
		k := key{etype, bytes.Repeat([]byte{7}, keySizes[etype])}
		s := state{Level: level, Key: k, Send: 5, Receive: 1<<32 - 2, Caller: &auth.Caller{}}
		c := state{Level: level, Key: k, Send: 1<<32 - 2, Receive: 5, Caller: &auth.Caller{}, Initiator: true}
		make := func(s state) auth.Context {
			tokens, err := newTokens(gokrb5{}, &s)
			check.OK(t, err)
			s.Key.Value = bytes.Clone(s.Key.Value)
			return &securityContext{m: Restorer(), state: s, tokens: tokens}
		}
		return make(s), make(c)
	}
}

func TestContextsHoldToTheRules(t *testing.T) {
	for etype := range keySizes {
		t.Run(fmt.Sprint(etype), func(t *testing.T) { authtest.Contract(t, pairOf(etype)) })
	}
}

func TestStubsOfAnyLengthAreSealed(t *testing.T) {
	for etype := range keySizes {
		server, client := pairOf(etype)(t, dcerpc.LevelPrivacy)
		for n := range 70 {
			f := authtest.Fragment(n, client.SignatureSize(), n%2 == 0)
			plain := bytes.Clone(f.Stub())
			if err := client.Protect(f); err != nil || n > 3 && bytes.Equal(plain, f.Stub()) {
				t.Fatal(n, err)
			}
			if err := server.Unprotect(f); err != nil || !bytes.Equal(plain, f.Stub()) {
				t.Fatalf("type %d, %d bytes: %v", etype, n, err)
			}
		}
	}
}

func BenchmarkProtectAndUnprotect(b *testing.B) {
	for etype := range keySizes {
		for _, n := range []int{64, 4096} {
			b.Run(fmt.Sprintf("type%d/sign%d", etype, n), func(b *testing.B) { authtest.Benchmark(b, pairOf(etype), dcerpc.LevelIntegrity, n) })
			b.Run(fmt.Sprintf("type%d/seal%d", etype, n), func(b *testing.B) { authtest.Benchmark(b, pairOf(etype), dcerpc.LevelPrivacy, n) })
		}
	}
}
