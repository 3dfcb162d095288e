// SPDX-License-Identifier: Apache-2.0

package rpcd_test

import (
	"context"
	"fmt"
	"net"

	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	client "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
	"msrpcd/pkg/wire/uuid"
)

// A program that has a client on some stream, and knows who it is, serves it.
func ExampleServer_ServeConn() {
	id := uuid.MustParse("7d3a2f52-0a2c-4c0b-9c62-2f3c3a0e7b11")
	server := rpcd.Server{Name: "greeter", Interfaces: []*rpcd.Interface{{
		UUID: id, Major: 1, Name: "greeter", MinLevel: dcerpc.LevelPrivacy,
		Ops: []rpcd.Op{{Name: "Greet", Allow: rpcd.Members(npa.SIDAuthenticated), Run: func(c *rpcd.Call) dcerpc.Status {
			c.Out.Octets([]byte("hello " + c.Caller().Account))
			return 0
		}}},
	}}}
	defer server.Shutdown()
	near, far := net.Pipe()
	go server.ServeConn(far, &rpcd.Caller{Account: "user1", Level: dcerpc.LevelPrivacy})

	greeter := dcerpc.SyntaxID{UUID: id, Version: 1}
	c := client.New(near, "greeter", client.Options{})
	if err := c.Bind(context.Background(), 0, greeter); err != nil {
		fmt.Println(err)
		return
	}
	stub, _, err := c.CallStub(context.Background(), client.Operation{Interface: greeter}, nil)
	fmt.Println(string(stub), err)
	// Output: hello user1 <nil>
}

// A program that has neither systemd nor Samba knows accounts by their NT hashes.
func ExampleServer_Serve() {
	accounts, err := hashes.Parse("user1:1000:X:8846F7EAEE8FB117AD06BDD830B7586C:[U]:") // of "password"
	if err != nil {
		fmt.Println(err)
		return
	}
	id := uuid.MustParse("7d3a2f52-0a2c-4c0b-9c62-2f3c3a0e7b11")
	server := rpcd.Server{Name: "greeter", Auth: accounts.Mechanisms(), Interfaces: []*rpcd.Interface{{
		UUID: id, Major: 1, Name: "greeter", MinLevel: dcerpc.LevelPrivacy,
		Ops: []rpcd.Op{{Name: "Greet", Run: func(c *rpcd.Call) dcerpc.Status {
			c.Out.Octets([]byte("hello " + c.Caller().Account))
			return 0
		}}},
	}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(listener)
	defer server.Shutdown()

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	user := &ntlm.Client{Account: "user1", Hash: ntlm.Hash([]byte("password"))}
	c := client.New(conn, "greeter", client.Options{Auth: &spnego.Client{Mechanism: user}, Level: dcerpc.LevelPrivacy})
	defer c.Close()
	greeter := dcerpc.SyntaxID{UUID: id, Version: 1}
	if err := c.Bind(context.Background(), 0, greeter); err != nil {
		fmt.Println(err)
		return
	}
	stub, _, err := c.CallStub(context.Background(), client.Operation{Interface: greeter}, nil)
	fmt.Println(string(stub), err)
	// Output: hello user1 <nil>
}
