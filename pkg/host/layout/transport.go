// SPDX-License-Identifier: Apache-2.0

// This file owns what a transport is: each difference between the three has its
// method, so that code asks for what it means and not for a name.

package layout

import (
	"slices"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
)

// Transport is one of the three protocol sequences that have listeners. Its text
// stands in names of units, in Transports=, and is the FileDescriptorName= of
// its listeners.
type Transport string

// The transports.
const (
	NP      Transport = "np"
	TCP     Transport = "tcp"
	Ncalrpc Transport = "ncalrpc"
)

// Transports lists all transports in the order of units and tables.
var Transports = []Transport{NP, TCP, Ncalrpc}

// Valid reports whether t is one of Transports.
func (t Transport) Valid() bool { return slices.Contains(Transports, t) }

// Protseq is the protocol sequence, such as "ncacn_np"; "" for one that is not
// Valid.
func (t Transport) Protseq() string {
	switch t {
	case NP:
		return binding.NP
	case TCP:
		return binding.TCP
	case Ncalrpc:
		return binding.Ncalrpc
	}
	return ""
}

// TransportOf is the transport of a protocol sequence; ok is false for one that
// has no listeners here.
func TransportOf(protseq string) (t Transport, ok bool) {
	for _, t := range Transports {
		if t.Protseq() == protseq {
			return t, true
		}
	}
	return "", false
}

// IP holds where clients come over IP: listeners have addresses and ports, and
// a connection has the address of its client. Others have nodes in the file
// system.
func (t Transport) IP() bool { return t == TCP }

// Framed holds where each PDU travels in messages with a length in front, which
// package npa reads and writes.
func (t Transport) Framed() bool { return t == NP }

// Relayed holds where smbd, which runs as root, connects for a client: before
// the first PDU a named pipe auth request says which client, and as which user smbd
// has authenticated it.
func (t Transport) Relayed() bool { return t == NP }

// Local holds where the process at the other end is the client itself, on this
// host: the credentials of the socket say which user it is.
func (t Transport) Local() bool { return t == Ncalrpc }

// Prefix is what an endpoint's name has before the name of its node.
func (t Transport) Prefix() string {
	if t == NP {
		return `\pipe\`
	}
	return ""
}

// FragSize is the length of fragments that Windows and Samba use, in bytes.
func (t Transport) FragSize() int {
	if t == NP {
		return dcerpc.FragSizeNP
	}
	return dcerpc.FragSizeTCP
}
