// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
)

func TestKeytabsThatAreNoneAreRefused(t *testing.T) {
	_, good := serviceKeys(t, aes256SHA1)
	for _, b := range [][]byte{nil, []byte("x"), {5, 2}, good[:len(good)-4], bytes.Repeat([]byte{0xff}, 100)} {
		if _, err := New(b, nil); err == nil {
			t.Errorf("%x is taken", b)
		}
	}
}

func FuzzAccept(f *testing.F) {
	kt, file := serviceKeys(f, aes256SHA1)
	client := types.NewPrincipalName(1, "user1")
	ticket, session := newTicket(f, kt, client, types.NewPrincipalName(1, "host/server.test"), aes256SHA1, time.Now())
	a, _ := types.NewAuthenticator("TEST", client)
	req, err := messages.NewAPReq(ticket, session, a)
	if err != nil {
		f.Fatal(err)
	}
	b, _ := req.Marshal()
	f.Add(b)
	m, _ := New(file, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := m.Begin(dcerpc.LevelPrivacy)
		if _, done, _ := c.Step(context.Background(), b); done {
			t.Error("a client without a third leg is authenticated")
		}
	})
}

func FuzzRestore(f *testing.F) {
	s, _ := pairOf(aes256SHA1)(f, dcerpc.LevelPrivacy)
	b, _ := s.Save(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := Restorer().Restore(b); err == nil {
			c.Protect(authtest.Fragment(16, c.SignatureSize(), true))
			c.Close()
		}
	})
}

func FuzzUnprotect(f *testing.F) {
	for etype := range keySizes {
		_, c := pairOf(etype)(f, dcerpc.LevelPrivacy)
		fragment := authtest.Fragment(16, c.SignatureSize(), true)
		c.Protect(fragment)
		f.Add(etype, fragment.PDU, 24, 40, true)
	}
	f.Fuzz(func(t *testing.T, etype int32, pdu []byte, from, to int, signHeader bool) {
		if _, ok := keySizes[etype]; !ok {
			return
		}
		for _, level := range []byte{dcerpc.LevelIntegrity, dcerpc.LevelPrivacy} {
			s, _ := pairOf(etype)(t, level)
			s.Unprotect(auth.Fragment{PDU: bytes.Clone(pdu), From: from, To: to, SignHeader: signHeader})
		}
	})
}
