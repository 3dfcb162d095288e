// SPDX-License-Identifier: Apache-2.0

package rpcclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

var echo = dcerpc.SyntaxID{UUID: uuid.MustParse("60a15ec5-4de8-11d7-a637-005056a20183"), Version: 1}

// serve is a server whose calls answer who called, at which level, and the stub.
func serve(t *testing.T, mechanisms ...auth.Mechanism) *rpcd.Server {
	t.Helper()
	s := &rpcd.Server{Name: "echo", Auth: mechanisms, Interfaces: []*rpcd.Interface{{UUID: echo.UUID, Major: 1, Name: "echo",
		Ops: []rpcd.Op{{Name: "Echo", Run: func(c *rpcd.Call) dcerpc.Status {
			c.Out.Octets(fmt.Appendf(nil, "%s %d:", c.Caller().Account, c.Caller().Level))
			c.Out.Octets(c.In.Octets(c.In.Left()))
			return 0
		}}}}}}
	t.Cleanup(s.Shutdown)
	return s
}

func ntlmServer(t *testing.T) auth.Mechanism {
	t.Helper()
	f, err := hashes.Parse("User:1000:X:A4F49C406510BDCAB6824EE7C30FD852:[U]:")
	check.OK(t, err)
	return &ntlm.Mechanism{Accounts: f}
}

func connect(t *testing.T, s *rpcd.Server, o rpcclient.Options) *rpcclient.Conn {
	t.Helper()
	near, far := net.Pipe()
	go s.ServeConn(far, nil)
	c := rpcclient.New(near, "test", o)
	t.Cleanup(func() { c.Close() })
	return c
}

func user1(password string) *ntlm.Client {
	return &ntlm.Client{Account: "user", Domain: "DOM", Hash: ntlm.Hash([]byte(password))}
}

func TestCallsAreProtected(t *testing.T) {
	s := serve(t, ntlmServer(t), spnego.New(ntlmServer(t)))
	for _, m := range []auth.Mechanism{user1("Password"), &spnego.Client{Mechanism: user1("Password")}} {
		for level := byte(dcerpc.LevelConnect); level <= dcerpc.LevelPrivacy; level++ {
			if level == dcerpc.LevelCall {
				continue
			}
			for _, format := range []ndr.Format{0, ndr.BigEndian, ndr.NDR64} {
				c := connect(t, s, rpcclient.Options{Auth: m, Level: level, Format: format})
				if err := c.Bind(context.Background(), 0, echo); err != nil {
					t.Fatalf("service %d, level %d: %v", m.Service(), level, err)
				}
				for _, n := range []int{0, 7, 16, 20000} {
					stub := bytes.Repeat([]byte{'x'}, n)
					got, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: echo, Object: echo.UUID}, stub)
					if want := fmt.Sprintf("User %d:%s", level, stub); err != nil || string(got) != want {
						t.Errorf("service %d, level %d, %d bytes: %.80q, %v", m.Service(), level, n, got, err)
					}
				}
				if c.Caller().Account != "user" {
					t.Errorf("%+v", c.Caller())
				}
			}
		}
	}
}

func TestRefusedCredentialsAreToldFromOtherRefusals(t *testing.T) {
	s := serve(t, ntlmServer(t), spnego.New(ntlmServer(t)))
	for _, m := range []auth.Mechanism{user1("wrong"), &spnego.Client{Mechanism: user1("wrong")}} {
		c := connect(t, s, rpcclient.Options{Auth: m})
		err := c.Bind(context.Background(), 0, echo)
		if m.Service() == dcerpc.AuthNTLM { // whose last token has no answer
			check.OK(t, err)
			_, _, err = c.CallStub(context.Background(), rpcclient.Operation{Interface: echo}, nil)
		}
		if !errors.Is(err, rpcclient.ErrLogon) {
			t.Errorf("service %d: %v", m.Service(), err)
		}
		if _, _, again := c.CallStub(context.Background(), rpcclient.Operation{Interface: echo}, nil); again != err {
			t.Errorf("service %d: the connection goes on: %v", m.Service(), again)
		}
	}
	c := connect(t, serve(t), rpcclient.Options{Auth: user1("Password")})
	if err := c.Bind(context.Background(), 0, echo); !errors.Is(err, rpcclient.ErrMechanism) {
		t.Error(err)
	}
}

// changer flips a bit of what the server sends, in the n-th byte from the end of a
// read.
type changer struct {
	net.Conn
	from int // zero: not yet
}

func (c *changer) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n >= c.from && c.from > 0 {
		b[n-c.from] ^= 1
	}
	return n, err
}

func TestAChangedAnswerIsRefused(t *testing.T) {
	s := serve(t, ntlmServer(t))
	for _, from := range []int{1, 16, 20, 28, 40} {
		near, far := net.Pipe()
		go s.ServeConn(far, nil)
		wire := &changer{Conn: near}
		c := rpcclient.New(wire, "test", rpcclient.Options{Auth: user1("Password"), Level: dcerpc.LevelIntegrity})
		t.Cleanup(func() { c.Close() })
		check.OK(t, c.Bind(context.Background(), 0, echo))
		wire.from = from
		if stub, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: echo}, make([]byte, 64)); !errors.Is(err, rpcclient.ErrAnswer) {
			t.Errorf("%d bytes from the end: %q, %v", from, stub, err)
		}
	}
}
