// SPDX-License-Identifier: Apache-2.0

package authtest

import (
	"bytes"
	"fmt"
	"testing"

	"msrpcd/pkg/rpc/auth"
)

// Fragment is a response with n bytes of stub, and room for a signature.
func Fragment(n, signature int, signHeader bool) auth.Fragment {
	pdu := make([]byte, 24+n+auth.TrailerSize+signature)
	for i := range pdu[:24+n+auth.TrailerSize] {
		pdu[i] = byte(i * 7)
	}
	return auth.Fragment{PDU: pdu, From: 24, To: 24 + n, SignHeader: signHeader}
}

// Pair is a context of a server, and one that holds its state the other way
// round, as a client would.
type Pair func(t testing.TB, level byte) (server, client auth.Context)

// Contract holds contexts to the rules of package auth, at levels packet,
// integrity and privacy, with and without header signing.
func Contract(t *testing.T, pair Pair) {
	for _, level := range []byte{4, 5, 6} {
		for _, signHeader := range []bool{false, true} {
			t.Run(fmt.Sprintf("level %d header %v", level, signHeader), func(t *testing.T) {
				roundTrips(t, pair, level, signHeader)
				refusals(t, pair, level, signHeader)
			})
		}
	}
}

func roundTrips(t *testing.T, pair Pair, level byte, signHeader bool) {
	server, client := pair(t, level)
	for i, n := range []int{0, 16, 64, 4096, 16, 32} {
		from, to := client, server
		if i%2 == 1 {
			from, to = server, client
		}
		f := Fragment(n, from.SignatureSize(), signHeader)
		plain := append([]byte(nil), f.PDU...)
		if err := from.Protect(f); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if hidden := !bytes.Equal(f.Stub(), plain[f.From:f.To]); hidden != (level == 6 && n > 0) {
			t.Errorf("%d bytes at level %d: enciphered: %v", n, level, hidden)
		}
		if err := to.Unprotect(f); err != nil || !bytes.Equal(f.Stub(), plain[f.From:f.To]) {
			t.Fatalf("fragment %d of %d bytes is not what it was: %v", i, n, err)
		}
		if i == 3 { // goes on elsewhere
			state, err := server.Save(nil)
			if err != nil {
				t.Fatal(err)
			}
			server, err = restore(server, state)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// restore goes on with the state of c in another context.
func restore(c auth.Context, state []byte) (auth.Context, error) {
	return c.(interface {
		Mechanism() auth.Mechanism
	}).Mechanism().Restore(state)
}

// refusals changes each bit of a fragment, repeats it, reflects it, leaves one out.
func refusals(t *testing.T, pair Pair, level byte, signHeader bool) {
	server, client := pair(t, level)
	state, err := server.Save(nil)
	if err != nil {
		t.Fatal(err)
	}
	good := Fragment(32, client.SignatureSize(), signHeader)
	if err := client.Protect(good); err != nil {
		t.Fatal(err)
	}
	try := func(what string, f auth.Fragment, wrong func(auth.Fragment)) {
		c, err := restore(server, state)
		if err != nil {
			t.Fatal(err)
		}
		f.PDU = append([]byte(nil), f.PDU...)
		wrong(f)
		if c.Unprotect(f) == nil {
			t.Errorf("%s: taken", what)
		}
		if c.Unprotect(good) == nil {
			t.Errorf("%s: the context goes on after it", what)
		}
	}
	for bit := range 8 * len(good.PDU) {
		at := bit / 8
		if !signHeader && (at < good.From || at >= good.To && at < good.To+auth.TrailerSize) {
			continue // not signed
		}
		try(fmt.Sprintf("bit %d", bit), good, func(f auth.Fragment) { f.PDU[at] ^= 1 << (bit % 8) })
	}
	short := good
	short.PDU = good.PDU[:len(good.PDU)-1]
	try("short signature", short, func(auth.Fragment) {})
	long := good
	long.PDU = append(append([]byte(nil), good.PDU...), 0)
	try("long signature", long, func(auth.Fragment) {})

	reflected := Fragment(32, server.SignatureSize(), signHeader)
	if err := server.Protect(reflected); err != nil || server.Unprotect(reflected) == nil {
		t.Errorf("a fragment of its own is taken (%v)", err)
	}
	next := Fragment(32, client.SignatureSize(), signHeader)
	if err := client.Protect(next); err != nil {
		t.Fatal(err)
	}
	try("the second without the first", next, func(auth.Fragment) {})
	c, _ := restore(server, state)
	again := good
	again.PDU = append([]byte(nil), good.PDU...)
	if c.Unprotect(auth.Fragment{PDU: append([]byte(nil), good.PDU...), From: good.From, To: good.To, SignHeader: signHeader}) != nil || c.Unprotect(again) == nil {
		t.Error("a fragment is refused, or taken twice")
	}
	c.Close()
	if _, err := c.Save(nil); err == nil || c.Protect(good) == nil || c.Caller() != nil {
		t.Error("a closed context works")
	}
}

// Benchmark measures one fragment protected and unprotected.
func Benchmark(b *testing.B, pair Pair, level byte, n int) {
	server, client := pair(b, level)
	f := Fragment(n, client.SignatureSize(), true)
	b.ReportAllocs()
	for b.Loop() {
		if client.Protect(f) != nil || server.Unprotect(f) != nil {
			b.Fatal("refused")
		}
	}
}
