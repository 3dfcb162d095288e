// SPDX-License-Identifier: Apache-2.0

// Package authd is msrpc-auth, the process that has what authenticates clients of
// native rpcds: the keytab, NT hashes, winbindd's privileged pipe. Native rpcds
// have none of these, and cannot connect: they pass it one end of a pair of sockets
// (Ask), send it the tokens of a handshake, and get what is left of it when it is
// over, the state of one security context. So a native rpcd that is taken over
// can impersonate no one and learns no key but those of its own clients, and
// challenges are made where it cannot choose them.
//
//	rpcd --datagram with one end--> msrpc-auth      socket node of the rpcds' user
//	rpcd --version service level token--> msrpc-auth
//	     <--verdict, reply, state--                 as often as the mechanism has steps
//
// Its API is for msrpcd alone and may change with any version; but Host is for others
// to import.
package authd
