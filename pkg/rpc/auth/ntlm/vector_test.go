// SPDX-License-Identifier: Apache-2.0

package ntlm

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/rc4"
	"msrpcd/pkg/wire/dcerpc"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectorsOfMSNLMP is MS-NLMP 4.2.4.
func TestVectorsOfMSNLMP(t *testing.T) {
	response := unhex("68cd0ab851e51c96aabc927bebef6a1c" + "0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000" +
		"02000c0044006f006d00610069006e00 01000c005300650072007600650072000000000000000000")
	key, ok := Check(authtest.Hash, "User", "Domain", [8]byte(unhex("0123456789abcdef")), response)
	if want := "8de40ccadbc14a82f15cb0ad0de95ca3"; !ok || hex.EncodeToString(key[:]) != want {
		t.Fatalf("SessionBaseKey %x, %v, want %s", key, ok, want)
	}
	random := unhex("55555555555555555555555555555555")
	var r rc4.Cipher
	r.Init(key[:])
	exchanged := append([]byte(nil), random...)
	if r.Crypt(exchanged); hex.EncodeToString(exchanged) != "c5dad2544fc9799094ce1ce90bc9d03e" {
		t.Errorf("EncryptedRandomSessionKey %x", exchanged)
	}
	c := &securityContext{level: dcerpc.LevelPrivacy, in: newDirection(random, signToClient, sealToClient, true), out: newDirection(random, signToServer, sealToServer, true)}
	if hex.EncodeToString(c.out.SealKey[:]) != "59f600973cc4960a25480a7c196e4c58" || hex.EncodeToString(c.out.SignKey[:]) != "4788dc861b4782f35d43fd98fe1a2d39" {
		t.Errorf("keys %x, %x", c.out.SealKey, c.out.SignKey)
	}
	pdu := append(utf16le("Plaintext"), make([]byte, auth.TrailerSize+signatureSize)...)
	f := auth.Fragment{PDU: pdu, To: 18}
	if err := c.Protect(f); err != nil || hex.EncodeToString(f.Stub()) != "54e50165bf1936dc996020c1811b0f06fb5f" || hex.EncodeToString(f.Value()) != "010000007fb38ec5c55d497600000000" {
		t.Errorf("sealed %x, signature %x, %v", f.Stub(), f.Value(), err)
	}
}

// pair is a context of a server, and its mirror.
func pair(_ testing.TB, level byte) (server, client auth.Context) {
	key, m := []byte("0123456789abcdef"), &Mechanism{}
	s := &securityContext{m: m, level: level, caller: &auth.Caller{SessionKey: key}, in: newDirection(key, signToServer, sealToServer, true), out: newDirection(key, signToClient, sealToClient, true)}
	return s, Mirror([16]byte(key), level)
}

func TestContextsHoldToTheRules(t *testing.T) { authtest.Contract(t, pair) }

func BenchmarkSign64(b *testing.B) { authtest.Benchmark(b, pair, dcerpc.LevelIntegrity, 64) }
func BenchmarkSeal64(b *testing.B) { authtest.Benchmark(b, pair, dcerpc.LevelPrivacy, 64) }
func BenchmarkSeal4K(b *testing.B) { authtest.Benchmark(b, pair, dcerpc.LevelPrivacy, 4096) }

func TestProtectionDoesNotAllocate(t *testing.T) {
	for _, level := range []byte{dcerpc.LevelIntegrity, dcerpc.LevelPrivacy} {
		s, c := pair(t, level)
		f := authtest.Fragment(64, signatureSize, true)
		if n := testing.AllocsPerRun(100, func() { c.Protect(f); s.Unprotect(f) }); n != 0 {
			t.Errorf("level %d: %v allocations", level, n)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	c := &authtest.NTLM{Account: "user", Domain: "DOM"}
	c.Negotiate()
	f.Add(c.Authenticate(appendChallenge(nil, 0, [8]byte{}, auth.Names{Computer: "A", Domain: "B"}, time.Now())))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseAuthenticate(b); err == nil {
			a.hasMIC()
			a.anonymous()
		}
	})
}

func FuzzRestore(f *testing.F) {
	s, _ := pair(f, 5)
	state, _ := s.Save(nil)
	f.Add(state)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := (&Mechanism{}).Restore(b)
		if err != nil {
			return
		}
		c.Protect(authtest.Fragment(16, c.SignatureSize(), true))
		if again, err := c.Save(nil); err != nil || !json.Valid(again) {
			t.Error("a restored context cannot be saved")
		}
		c.Step(context.Background(), nil)
		c.Close()
	})
}
