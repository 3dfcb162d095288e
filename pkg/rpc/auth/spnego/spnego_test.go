// SPDX-License-Identifier: Apache-2.0

package spnego_test

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

var (
	oidNTLM   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}
	oidNegoEx = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 30}
	oidKrb5   = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
)

type offered struct {
	Mechanisms []asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	Token      []byte                  `asn1:"explicit,optional,omitempty,tag:2"`
}

type resp struct {
	State     asn1.Enumerated       `asn1:"explicit,optional,tag:0"`
	Mechanism asn1.ObjectIdentifier `asn1:"explicit,optional,tag:1"`
	Token     []byte                `asn1:"explicit,optional,omitempty,tag:2"`
	MIC       []byte                `asn1:"explicit,optional,omitempty,tag:3"`
}

func der(t testing.TB, v any, params string) []byte {
	t.Helper()
	b, err := asn1.MarshalWithParams(v, params)
	check.OK(t, err)
	return b
}

// offer is an initial token, list what MICs of it are over.
func offer(t testing.TB, token []byte, oids ...asn1.ObjectIdentifier) (initial, list []byte) {
	t.Helper()
	body := append(der(t, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}, ""), der(t, offered{oids, token}, "explicit,tag:0")...)
	return der(t, asn1.RawValue{Class: asn1.ClassApplication, Tag: 0, IsCompound: true, Bytes: body}, ""), der(t, oids, "")
}

func answer(t testing.TB, b []byte) (r resp) {
	t.Helper()
	if rest, err := asn1.UnmarshalWithParams(b, &r, "explicit,tag:1"); err != nil || len(rest) > 0 {
		t.Fatalf("%x: %v", b, err)
	}
	return r
}

func step(t testing.TB, c auth.Context, token []byte) resp {
	t.Helper()
	b, _, err := c.Step(context.Background(), token)
	check.OK(t, err)
	return answer(t, b)
}

func client() *authtest.NTLM {
	return &authtest.NTLM{Account: "user", Domain: "DOM", Hash: authtest.Hash}
}

// mirror is the client's end of an NTLM context: what its server saved, the
// other way round.
func mirror(t testing.TB, key [16]byte) auth.Signer {
	return ntlm.Mirror(key, dcerpc.LevelIntegrity).(auth.Signer)
}

// negotiate goes as far as the answer to the client's last NTLM message; mic is
// what it sends beside it.
func negotiate(t testing.TB, mic func(auth.Signer, []byte) []byte, oids ...asn1.ObjectIdentifier) (auth.Context, resp, auth.Signer, []byte, error) {
	t.Helper()
	c, err := spnego.New(ntlmMechanism(t)).Begin(dcerpc.LevelIntegrity)
	check.OK(t, err)
	n := client()
	initial, list := offer(t, n.Negotiate(), oids...)
	r := step(t, c, initial)
	if first := oids[0].Equal(oidNTLM); !r.Mechanism.Equal(oidNTLM) || first && r.State != 1 || !first && (r.State != 3 || r.Token != nil) {
		t.Fatalf("%+v", r)
	}
	if r.Token == nil {
		r = step(t, c, der(t, resp{Token: n.Negotiate()}, "explicit,tag:1"))
	}
	last := resp{Token: n.Authenticate(r.Token)}
	signer := mirror(t, n.Key)
	if mic != nil {
		last.MIC = mic(signer, list)
	}
	b, done, err := c.Step(context.Background(), der(t, last, "explicit,tag:1"))
	if err != nil {
		return c, resp{}, signer, list, err
	}
	r = answer(t, b)
	if done != (r.State == 0 && c.Caller() != nil) {
		t.Fatalf("done: %v, %+v", done, r)
	}
	return c, r, signer, list, nil
}

func sign(s auth.Signer, list []byte) []byte {
	b, _ := s.SignMIC(list)
	return b
}

// works exchanges a fragment.
func works(t *testing.T, server, client auth.Context) {
	t.Helper()
	f := authtest.Fragment(32, 16, true)
	check.OK(t, client.Protect(f))
	if err := server.Unprotect(f); err != nil {
		t.Errorf("a fragment after the handshake: %v", err)
	}
}

func TestTheListIsSignedBothWays(t *testing.T) {
	c, r, s, list, err := negotiate(t, sign, oidNTLM, oidKrb5)
	if err != nil || r.State != 0 {
		t.Fatal(r, err)
	}
	if err := s.CheckMIC(list, r.MIC); err != nil {
		t.Errorf("MIC of the server: %v", err)
	}
	s.EndMIC()
	works(t, c, s)
}

func TestAClientWhoseFirstMechanismIsServedNeedsNoMIC(t *testing.T) {
	c, r, s, _, err := negotiate(t, nil, oidNTLM, oidNegoEx)
	if err != nil || r.State != 0 || r.MIC != nil {
		t.Fatal(r, err)
	}
	works(t, c, s)
}

func TestAMechanismThatIsNotTheFirstNeedsAMIC(t *testing.T) {
	for _, first := range []asn1.ObjectIdentifier{oidNegoEx, oidKrb5} {
		c, r, s, list, err := negotiate(t, nil, first, oidNTLM)
		if err != nil || r.State != 1 || r.MIC == nil || c.Caller() != nil {
			t.Fatalf("%+v, %v", r, err)
		}
		mic := sign(s, list)
		if err := s.CheckMIC(list, r.MIC); err != nil {
			t.Errorf("MIC of the server: %v", err)
		}
		if r := step(t, c, der(t, resp{MIC: mic}, "explicit,tag:1")); r.State != 0 || c.Caller() == nil {
			t.Errorf("%+v", r)
		}
		s.EndMIC()
		works(t, c, s)

		c, _, _, _, _ = negotiate(t, nil, first, oidNTLM)
		if _, _, err := c.Step(context.Background(), der(t, resp{State: 1}, "explicit,tag:1")); !errors.Is(err, auth.ErrToken) || c.Caller() != nil {
			t.Errorf("no MIC at all: %v", err)
		}
	}
}

func TestWrongMICsAreRefused(t *testing.T) {
	for what, mic := range map[string]func(auth.Signer, []byte) []byte{
		"one bit":         func(s auth.Signer, list []byte) []byte { b := sign(s, list); b[7] ^= 1; return b },
		"another list":    func(s auth.Signer, list []byte) []byte { return sign(s, append([]byte{0}, list...)) },
		"reflected":       func(s auth.Signer, list []byte) []byte { return bytes.Repeat([]byte{1}, 16) },
		"the second of 2": func(s auth.Signer, list []byte) []byte { sign(s, list); return sign(s, list) },
		"too short":       func(s auth.Signer, list []byte) []byte { return sign(s, list)[:15] },
	} {
		if c, r, _, _, err := negotiate(t, mic, oidNTLM); err == nil || c.Caller() != nil {
			t.Errorf("%s: taken: %+v", what, r)
		}
	}
}

func TestTokensOutOfTurnAreRefused(t *testing.T) {
	m := spnego.New(ntlmMechanism(t))
	initial, _ := offer(t, client().Negotiate(), oidNTLM)
	none, _ := offer(t, []byte("x"), oidKrb5, oidNegoEx)
	many, _ := offer(t, nil, make([]asn1.ObjectIdentifier, 0)...)
	for what, tokens := range map[string][][]byte{
		"nothing":           {nil},
		"NTLM without more": {client().Negotiate()},
		"none that we have": {none},
		"no mechanism":      {many},
		"two offers":        {initial, initial},
		"changes its mind":  {initial, der(t, resp{Mechanism: oidKrb5, Token: []byte("x")}, "explicit,tag:1")},
		"nothing after it":  {initial, nil},
		"cut":               {initial[:len(initial)-1]},
		"response first":    {der(t, resp{State: 1}, "explicit,tag:1")},
	} {
		c, _ := m.Begin(dcerpc.LevelIntegrity)
		var err error
		for _, token := range tokens {
			_, _, err = c.Step(context.Background(), token)
		}
		if err == nil || c.Caller() != nil {
			t.Errorf("%s: taken", what)
		}
		if _, _, err := c.Step(context.Background(), initial); !errors.Is(err, auth.ErrState) {
			t.Errorf("%s: goes on: %v", what, err)
		}
		c.Close()
	}
}

func TestAContextIsSavedWithWhatWasChosen(t *testing.T) {
	c, _, s, _, err := negotiate(t, nil, oidNTLM)
	check.OK(t, err)
	state, err := c.Save(nil)
	check.OK(t, err)
	again, err := spnego.New(ntlmMechanism(t)).Restore(state)
	if err != nil || again.Caller().Account != "User" {
		t.Fatal(err)
	}
	works(t, again, s)
	if _, err := spnego.New().Restore(state); err == nil {
		t.Error("a mechanism that is not there goes on")
	}
}

func FuzzStep(f *testing.F) {
	initial, _ := offer(f, client().Negotiate(), oidNTLM, oidKrb5)
	f.Add(initial, der(f, resp{State: 1, Mechanism: oidNTLM, Token: []byte("token"), MIC: []byte("mic")}, "explicit,tag:1"))
	m := spnego.New(ntlmMechanism(f))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, tokens := range [][][]byte{{first}, {initial, second}} {
			c, _ := m.Begin(dcerpc.LevelPrivacy)
			for _, token := range tokens {
				if _, done, _ := c.Step(context.Background(), token); done && !c.Caller().Anonymous {
					t.Error("authenticated")
				}
			}
			c.Close()
		}
	})
}
