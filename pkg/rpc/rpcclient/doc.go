// SPDX-License-Identifier: Apache-2.0

// Package rpcclient is a client of connection-oriented DCE/RPC over TCP and
// ncalrpc. With Options.Auth it authenticates itself, and signs or seals its calls:
//
//	hash := ntlm.Hash(password) // which zeroes the password
//	o := rpcclient.Options{Auth: &spnego.Client{Mechanism: &ntlm.Client{Account: "user1", Hash: hash}}}
//
//	c, err := rpcclient.Dial(ctx, binding, o)
//	defer c.Close()
//	err = c.Bind(ctx, 0, mgmt)
//	err = c.Call(ctx, rpcclient.Operation{Interface: mgmt, Opnum: 2}, nil, &out)
//
// A server is not trusted: fragments, their number and the stub that they make
// are bounded, every answer has to belong to its request, and every exchange
// ends by the context's deadline, or by Options.Timeout where it has none.
// After an error of the connection or the protocol the Conn is dead and every
// further call returns that error; a Nak, a Refused or a Fault leaves it alive.
//
// A Conn is for one goroutine at a time.
//
// Its API is for others to import.
package rpcclient
