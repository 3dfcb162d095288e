// SPDX-License-Identifier: Apache-2.0

package spnego_test

// This file owns tests against another implementation: Samba's client, for NTLM
// alone and negotiated.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

const python = "/usr/bin/python3"

// peer is a client process.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// say sends a line and returns the answer.
func (p *peer) say(kind string, parts ...[]byte) []byte {
	p.t.Helper()
	for _, b := range parts {
		text := "-"
		if len(b) > 0 {
			text = base64.StdEncoding.EncodeToString(b)
		}
		kind += " " + text
	}
	fmt.Fprintln(p.in, kind)
	return p.hear()
}

func (p *peer) hear() []byte {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatal("the client says no more")
	}
	b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(p.out.Text()))
	return b
}

func newPeer(t *testing.T, service, level byte) *peer {
	t.Helper()
	if exec.Command(python, "-c", "import samba.gensec").Run() != nil {
		t.Skip("install python3-samba for this test")
	}
	cmd := exec.Command(python, "testdata/client.py", fmt.Sprint(service), fmt.Sprint(level))
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	check.OK(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return &peer{t, in, bufio.NewScanner(out)}
}

// ntlmMechanism knows User with the password Password.
func ntlmMechanism(t testing.TB) *ntlm.Mechanism {
	t.Helper()
	f, err := hashes.Parse("User:1000:X:A4F49C406510BDCAB6824EE7C30FD852:[U]:")
	check.OK(t, err)
	return &ntlm.Mechanism{Accounts: f}
}

func TestSambaClientsAreServed(t *testing.T) {
	for _, m := range []auth.Mechanism{ntlmMechanism(t), spnego.New(ntlmMechanism(t))} {
		for _, level := range []byte{dcerpc.LevelConnect, dcerpc.LevelPacket, dcerpc.LevelIntegrity, dcerpc.LevelPrivacy} {
			t.Run(fmt.Sprintf("service %d level %d", m.Service(), level), func(t *testing.T) {
				p := newPeer(t, m.Service(), level)
				c, _ := m.Begin(level)
				p.handshake(c)
				if who := c.Caller(); who.Account != "User" || who.Service != dcerpc.AuthNTLM || !bytes.Equal(p.hear(), who.SessionKey) {
					t.Errorf("%+v", who)
				}
				for n := 16; n < 100 && level > dcerpc.LevelConnect; n += 16 {
					p.exchange(c, level, n)
				}
			})
		}
	}
}

// handshake lets the client authenticate.
func (p *peer) handshake(c auth.Context) {
	p.t.Helper()
	token := p.hear()
	for {
		reply, done, err := c.Step(context.Background(), token)
		check.OK(p.t, err)
		if done && len(reply) == 0 {
			return
		}
		if done {
			fmt.Fprintln(p.in, "token "+base64.StdEncoding.EncodeToString(reply))
			return
		}
		token = p.say("token", reply)
	}
}

// exchange sends a fragment each way. Samba's Python wraps stubs alone.
func (p *peer) exchange(c auth.Context, level byte, n int) {
	p.t.Helper()
	there, back := "sign", "check"
	if level == dcerpc.LevelPrivacy {
		there, back = "seal", "unseal"
	}
	signHeader := level < dcerpc.LevelPrivacy
	f := authtest.Fragment(n, 0, signHeader)
	plain := bytes.Clone(f.Stub())
	value := p.say(there, f.Stub(), f.PDU, nil)
	if level == dcerpc.LevelPrivacy {
		copy(f.Stub(), value[16:])
		value = value[:16]
	}
	f.PDU = append(f.PDU, value...)
	if err := c.Unprotect(f); err != nil || !bytes.Equal(f.Stub(), plain) {
		p.t.Fatalf("%s of %d bytes: %v", there, n, err)
	}
	f = authtest.Fragment(n, c.SignatureSize(), signHeader)
	check.OK(p.t, c.Protect(f))
	if got := p.say(back, f.Stub(), f.PDU[:f.To+auth.TrailerSize], f.Value()); !bytes.Equal(got, plain) {
		p.t.Errorf("%s of %d bytes: the client has %x", back, n, got)
	}
}
