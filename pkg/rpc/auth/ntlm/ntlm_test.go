// SPDX-License-Identifier: Apache-2.0

package ntlm_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// mechanism knows one account, User with the password Password.
func mechanism(t testing.TB) *ntlm.Mechanism {
	t.Helper()
	f, err := hashes.Parse("User:1000:X:A4F49C406510BDCAB6824EE7C30FD852:[U]:\noff:1:X:A4F49C406510BDCAB6824EE7C30FD852:[D]:")
	check.OK(t, err)
	return &ntlm.Mechanism{Accounts: f}
}

// handshake lets a client authenticate at a level.
func handshake(t testing.TB, m *ntlm.Mechanism, level byte, c *authtest.NTLM) (auth.Context, error) {
	t.Helper()
	s, err := m.Begin(level)
	check.OK(t, err)
	challenge, done, err := s.Step(context.Background(), c.Negotiate())
	if err != nil || done {
		t.Fatal(done, err)
	}
	_, done, err = s.Step(context.Background(), c.Authenticate(append([]byte(nil), challenge...)))
	if err == nil != done {
		t.Fatalf("done: %v, error %v", done, err)
	}
	return s, err
}

func client() *authtest.NTLM {
	return &authtest.NTLM{Account: "user", Domain: "DOM", Hash: authtest.Hash}
}

func TestAClientWithThePasswordIsAuthenticated(t *testing.T) {
	for level := byte(dcerpc.LevelConnect); level <= dcerpc.LevelPrivacy; level++ {
		c := client()
		s, err := handshake(t, mechanism(t), level, c)
		check.OK(t, err)
		who := s.Caller()
		if who.Account != "User" || who.Anonymous || len(who.SIDs) != 1 || who.SIDs[0].String() != "S-1-22-1-1000" || string(who.SessionKey) != string(c.Key[:]) {
			t.Errorf("level %d: %+v", level, who)
		}
		if size := s.SignatureSize(); size != 16 && level > dcerpc.LevelConnect || size != 0 && level == dcerpc.LevelConnect {
			t.Errorf("level %d: signature of %d bytes", level, size)
		}
		if _, _, err := s.Step(context.Background(), c.Negotiate()); !errors.Is(err, auth.ErrState) {
			t.Errorf("a step after the last: %v", err)
		}
		s.Close()
		if strings.Trim(string(who.SessionKey), "\x00") != "" {
			t.Error("the session key is there after Close")
		}
	}
}

func TestWeakOrWrongClientsAreDenied(t *testing.T) {
	const all = authtest.FlagsAll
	for what, wrong := range map[string]func(*authtest.NTLM, *ntlm.Mechanism){
		"another password":         func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Hash[3] ^= 1 },
		"another account":          func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Account = "nobody" },
		"an account without hash":  func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Account, c.Hash = "nobody", [16]byte{} },
		"a disabled account":       func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Account = "off" },
		"NTLMv1":                   func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.V1 = true },
		"a MIC taken away":         func(c *authtest.NTLM, m *ntlm.Mechanism) { c.Stripped, m.WithoutMIC = true, true },
		"no MIC":                   func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.NoMIC = true },
		"no extended security":     func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Flags = all &^ 0x80000 },
		"no 128 bits":              func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Flags = all &^ 0x20000000 },
		"no key exchange":          func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Flags = all &^ 0x40000000 },
		"no sealing":               func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Flags = all &^ 0x20 },
		"a domain not in the hash": func(c *authtest.NTLM, _ *ntlm.Mechanism) { c.Hash, c.Domain = [16]byte{1}, "X" },
	} {
		m, c := mechanism(t), client()
		wrong(c, m)
		s, err := handshake(t, m, dcerpc.LevelPrivacy, c)
		if !errors.Is(err, auth.ErrDenied) || s.Caller() != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, _, err := s.Step(context.Background(), c.Negotiate()); !errors.Is(err, auth.ErrState) {
			t.Errorf("%s: the context goes on: %v", what, err)
		}
	}
	m, c := mechanism(t), client()
	c.NoMIC, m.WithoutMIC = true, true
	if _, err := handshake(t, m, dcerpc.LevelPrivacy, c); err != nil {
		t.Errorf("no MIC, which is set to be fine: %v", err)
	}
}

func TestFlippedBitsOfAHandshakeAreRefused(t *testing.T) {
	m := mechanism(t)
	for at := 0; at < 420; at++ {
		c := client()
		s, _ := m.Begin(dcerpc.LevelIntegrity)
		challenge, _, err := s.Step(context.Background(), c.Negotiate())
		check.OK(t, err)
		token := c.Authenticate(append([]byte(nil), challenge...))
		if at >= len(token) {
			break
		}
		token[at] ^= 0x10
		if _, done, err := s.Step(context.Background(), token); err == nil || done {
			t.Errorf("byte %d changed: taken", at)
		}
	}
}

func TestMessagesOutOfTurnAreRefused(t *testing.T) {
	c := client()
	authenticate := func() []byte {
		s, _ := mechanism(t).Begin(5)
		challenge, _, _ := s.Step(context.Background(), c.Negotiate())
		return c.Authenticate(challenge)
	}()
	for what, tokens := range map[string][][]byte{
		"nothing":             {nil},
		"another mechanism":   {[]byte("`\x82\x01\x00 no message of NTLM at all")},
		"authenticate first":  {authenticate},
		"negotiate twice":     {c.Negotiate(), c.Negotiate()},
		"another's":           {c.Negotiate(), authenticate},
		"challenge reflected": {c.Negotiate(), append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 48)...)},
	} {
		s, _ := mechanism(t).Begin(5)
		var err error
		for _, token := range tokens {
			_, _, err = s.Step(context.Background(), token)
		}
		if err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestAnonymousClientsAreNobody(t *testing.T) {
	s, _ := mechanism(t).Begin(dcerpc.LevelConnect)
	if _, _, err := s.Step(context.Background(), client().Negotiate()); err != nil {
		t.Fatal(err)
	}
	b := append([]byte("NTLMSSP\x00\x03\x00\x00\x00"), make([]byte, 52)...)
	b[60] = 1 // Unicode and nothing else, as from Samba
	_, done, err := s.Step(context.Background(), b)
	if who := s.Caller(); err != nil || !done || !who.Anonymous || who.Account != "" {
		t.Errorf("%+v, %v", who, err)
	}
}
