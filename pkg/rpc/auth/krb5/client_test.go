// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// clientOf has a ticket for the service of a keytab.
func clientOf(t testing.TB, kt *keytab.Keytab, etype int32) *Client {
	t.Helper()
	name := types.NewPrincipalName(1, "user1")
	ticket, session := newTicket(t, kt, name, types.NewPrincipalName(1, "host/server.test"), etype, time.Now())
	return &Client{Name: name, Realm: "TEST", Ticket: ticket, Session: session}
}

// connected are a server and a client after their handshake.
func connected(t testing.TB, etype int32, level byte) (server, client auth.Context) {
	t.Helper()
	kt, file := serviceKeys(t, etype)
	m, err := New(file, nil)
	check.OK(t, err)
	server, _ = m.Begin(level)
	client, _ = clientOf(t, kt, etype).Begin(level)
	var token []byte
	for range 2 {
		var done bool
		if token, _, err = client.Step(context.Background(), token); err == nil {
			token, done, err = server.Step(context.Background(), token)
		}
		check.OK(t, err)
		if done {
			return server, client
		}
	}
	t.Fatal("the handshake has no end")
	return nil, nil
}

func TestAClientWithATicketIsServed(t *testing.T) {
	for etype := range keySizes {
		for level := byte(dcerpc.LevelConnect); level <= dcerpc.LevelPrivacy; level++ {
			t.Run(fmt.Sprintf("type %d level %d", etype, level), func(t *testing.T) {
				server, client := connected(t, etype, level)
				if who := server.Caller(); who.Account != "user1" || !bytes.Equal(who.SessionKey, client.Caller().SessionKey) {
					t.Errorf("%+v", who)
				}
				if !auth.Protects(level) {
					return
				}
				for i := range 4 {
					from, to := client, server
					if i%2 == 1 {
						from, to = server, client
					}
					f := authtest.Fragment(32*i, from.SignatureSize(), i > 1)
					plain := bytes.Clone(f.Stub())
					if from.Protect(f) != nil || to.Unprotect(f) != nil || !bytes.Equal(plain, f.Stub()) {
						t.Errorf("fragment %d", i)
					}
				}
			})
		}
	}
}

// A server that does not have the key of the ticket is found out.
func TestAClientRefusesAnotherServer(t *testing.T) {
	kt, file := serviceKeys(t, aes256SHA1)
	m, _ := New(file, nil)
	reply := func(c auth.Context) []byte {
		token, _, err := c.Step(context.Background(), nil)
		check.OK(t, err)
		s, _ := m.Begin(dcerpc.LevelPrivacy)
		b, _, err := s.Step(context.Background(), token)
		check.OK(t, err)
		return b
	}
	who := clientOf(t, kt, aes256SHA1)
	c, _ := who.Begin(dcerpc.LevelPrivacy)
	good := reply(c)
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 0x20
		c, _ := who.Begin(dcerpc.LevelPrivacy)
		c.Step(context.Background(), nil)
		if _, done, err := c.Step(context.Background(), bad); done || err == nil || c.Caller() != nil {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	other, _ := who.Begin(dcerpc.LevelPrivacy)
	reply(other)
	if _, done, err := other.Step(context.Background(), good); done || !errors.Is(err, auth.ErrDenied) {
		t.Errorf("the answer to another request: %v", err)
	}
}

func FuzzReply(f *testing.F) {
	kt, file := serviceKeys(f, aes256SHA1)
	m, _ := New(file, nil)
	who := clientOf(f, kt, aes256SHA1)
	c, _ := who.Begin(dcerpc.LevelPrivacy)
	token, _, _ := c.Step(context.Background(), nil)
	s, _ := m.Begin(dcerpc.LevelPrivacy)
	b, _, err := s.Step(context.Background(), token)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := who.Begin(dcerpc.LevelPrivacy)
		c.Step(context.Background(), nil)
		if _, done, _ := c.Step(context.Background(), b); done {
			t.Error("a server without the key is taken")
		}
	})
}
