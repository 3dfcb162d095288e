// SPDX-License-Identifier: Apache-2.0

// Package epm is the endpoint mapper of DCE/RPC (C706 appendices I, L and O,
// MS-RPCE 2.2.1.2): which interface of this host is reached where.
//
//	tower.go, binding.go    protocol towers, pure
//	types.go                the calls' arguments, for servers and clients, pure
//	table.go, match.go      what is known, immutable, and questions about it, pure
//	source.go, added.go     where it comes from: the plan of msrpcd, and ept_insert
//	mapper.go and the rest  the server
//
// A tower says with which protocols an interface is reached, a floor for each:
// interface, transfer syntax, RPC protocol, transport and address.
//
// Its API is for msrpcd alone and may change with any version.
package epm
