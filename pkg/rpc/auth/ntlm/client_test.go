// SPDX-License-Identifier: Apache-2.0

package ntlm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

func initiator(level byte) auth.Context {
	c, _ := (&ntlm.Client{Account: "user", Domain: "DOM", Hash: authtest.Hash}).Begin(level)
	return c
}

// handshakes are a server's and a client's context, and what the client said last.
func handshakes(t testing.TB, level byte, c auth.Context) (server auth.Context, last []byte, err error) {
	t.Helper()
	server, _ = mechanism(t).Begin(level)
	ctx := context.Background()
	first, _, err := c.Step(ctx, nil)
	check.OK(t, err)
	challenge, _, err := server.Step(ctx, first)
	check.OK(t, err)
	last, done, err := c.Step(ctx, challenge)
	if err != nil || !done {
		t.Fatal(done, err)
	}
	_, _, err = server.Step(ctx, last)
	return server, last, err
}

func TestAClientIsServed(t *testing.T) {
	check.Is(t, "hash", authtest.Hash, ntlm.Hash([]byte(authtest.Password)))
	password := []byte("geheim\u00e9\U0001f600")
	if ntlm.Hash(password); !bytes.Equal(password, make([]byte, len(password))) {
		t.Errorf("the password is there yet: %q", password)
	}
	for level := byte(dcerpc.LevelConnect); level <= dcerpc.LevelPrivacy; level++ {
		c := initiator(level)
		s, _, err := handshakes(t, level, c)
		if err != nil {
			t.Fatalf("level %d: %v", level, err)
		}
		if s.Caller().Account != "User" || !bytes.Equal(s.Caller().SessionKey, c.Caller().SessionKey) {
			t.Errorf("%+v and %+v", s.Caller(), c.Caller())
		}
	}
	pair := func(t testing.TB, level byte) (server, c auth.Context) {
		c = initiator(level)
		server, _, err := handshakes(t, level, c)
		check.OK(t, err)
		return server, c
	}
	for level := byte(dcerpc.LevelPacket); level <= dcerpc.LevelPrivacy; level++ {
		server, c := pair(t, level)
		for i := range 4 {
			from, to := c, server
			if i%2 == 1 {
				from, to = server, c
			}
			f := authtest.Fragment(48, 16, true)
			plain := bytes.Clone(f.Stub())
			if from.Protect(f) != nil || to.Unprotect(f) != nil || !bytes.Equal(plain, f.Stub()) {
				t.Errorf("level %d, fragment %d", level, i)
			}
		}
	}
}

func TestAClientWithAWrongPasswordIsDenied(t *testing.T) {
	c, _ := (&ntlm.Client{Account: "user", Domain: "DOM"}).Begin(dcerpc.LevelPrivacy)
	if _, _, err := handshakes(t, dcerpc.LevelPrivacy, c); !errors.Is(err, auth.ErrDenied) {
		t.Error(err)
	}
}

// challengeOf is a challenge of a server.
func challengeOf(t testing.TB, c auth.Context) []byte {
	t.Helper()
	first, _, err := c.Step(context.Background(), nil)
	check.OK(t, err)
	s, _ := mechanism(t).Begin(dcerpc.LevelPrivacy)
	b, _, err := s.Step(context.Background(), first)
	check.OK(t, err)
	return b
}

// A server, or whoever is between, that asks for less gets no answer.
func TestAClientAnswersNoWeakServer(t *testing.T) {
	// Extended session security, 128 bits, key exchange, target info, seal, Unicode.
	for _, flag := range []uint32{0x80000, 0x20000000, 0x40000000, 0x800000, 0x20, 1} {
		c := initiator(dcerpc.LevelPrivacy)
		b := bytes.Clone(challengeOf(t, c))
		binary.LittleEndian.PutUint32(b[20:], binary.LittleEndian.Uint32(b[20:])&^flag)
		if reply, done, err := c.Step(context.Background(), b); !errors.Is(err, auth.ErrDenied) || done || reply != nil {
			t.Errorf("without flag %#x: %v", flag, err)
		}
		if _, _, err := c.Step(context.Background(), b); !errors.Is(err, auth.ErrState) {
			t.Errorf("it goes on: %v", err)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(challengeOf(f, initiator(dcerpc.LevelPrivacy)))
	f.Add([]byte("NTLMSSP\x00\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := initiator(dcerpc.LevelPrivacy)
		if _, _, err := c.Step(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if reply, done, err := c.Step(context.Background(), b); done != (err == nil) || done != (c.Caller() != nil) || len(reply) > len(b)+2000 {
			t.Errorf("done %v, %d bytes, %v", done, len(reply), err)
		}
	})
}
