// SPDX-License-Identifier: Apache-2.0

package spnego_test

import (
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

func initiator(t testing.TB) auth.Context {
	t.Helper()
	c, err := (&spnego.Client{Mechanism: &ntlm.Client{Account: "user", Domain: "DOM", Hash: authtest.Hash}}).Begin(dcerpc.LevelIntegrity)
	check.OK(t, err)
	return c
}

// lastButOne are both ends before the server's last word, and that word.
func lastButOne(t testing.TB) (server, client auth.Context, last []byte) {
	t.Helper()
	server, _ = spnego.New(ntlmMechanism(t)).Begin(dcerpc.LevelIntegrity)
	client = initiator(t)
	for range 2 {
		token, _, err := client.Step(context.Background(), last)
		if err == nil {
			last, _, err = server.Step(context.Background(), token)
		}
		check.OK(t, err)
	}
	return server, client, last
}

func TestAClientNegotiates(t *testing.T) {
	server, client, last := lastButOne(t)
	if r := answer(t, last); r.MIC == nil || r.State != 0 {
		t.Errorf("%+v", r)
	}
	if reply, done, err := client.Step(context.Background(), last); err != nil || !done || reply != nil {
		t.Fatal(reply, done, err)
	}
	works(t, server, client)
}

// said is a resp whose state is always there.
type said struct {
	State     asn1.Enumerated       `asn1:"explicit,tag:0"`
	Mechanism asn1.ObjectIdentifier `asn1:"explicit,optional,tag:1"`
	Token     []byte                `asn1:"explicit,optional,omitempty,tag:2"`
	MIC       []byte                `asn1:"explicit,optional,omitempty,tag:3"`
}

func TestAClientRefusesWhatAServerMayNotSay(t *testing.T) {
	_, client, last := lastButOne(t)
	r := answer(t, last)
	r.MIC[3] ^= 1
	if _, done, err := client.Step(context.Background(), der(t, said(r), "explicit,tag:1")); done || !errors.Is(err, auth.ErrSignature) {
		t.Errorf("a changed MIC: %v", err)
	}
	for what, r := range map[string]said{
		"rejected":          {State: 2},
		"another mechanism": {State: 1, Mechanism: oidKrb5, Token: []byte{1}},
		"done too early":    {State: 0, Mechanism: oidNTLM},
	} {
		c := initiator(t)
		c.Step(context.Background(), nil)
		if _, done, err := c.Step(context.Background(), der(t, r, "explicit,tag:1")); done || err == nil || c.Caller() != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, r := range map[string]said{"no end": {State: 1}, "a token": {State: 0, Token: []byte{1}}} {
		_, c, _ := lastButOne(t)
		if _, done, err := c.Step(context.Background(), der(t, r, "explicit,tag:1")); done || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzServer(f *testing.F) {
	_, _, last := lastButOne(f)
	f.Add(last)
	f.Add(der(f, resp{State: 1, Mechanism: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}, Token: []byte("NTLMSSP\x00\x02\x00\x00\x00")}, "explicit,tag:1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := initiator(t)
		c.Step(context.Background(), nil)
		if _, done, _ := c.Step(context.Background(), b); done {
			t.Error("a server that has answered no challenge is taken")
		}
	})
}
