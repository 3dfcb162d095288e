// SPDX-License-Identifier: Apache-2.0

// Package handoff is the datagram in which a broker hands a connection over to
// a worker's inbox. msrpc-handoff(7) describes it for authors of workers;
// the test vectors of that page are checked by this package's tests.
//
// Layout, little-endian, 40 bytes of header:
//
//	00 magic "MSRH" | 04 u16 version | 06 u16 flags
//	08 u64 connection id | 10 u32 wanted association group
//	14 u16 frag_length of the first PDU | 16 u16 length of the binding string
//	18 u32 NPA level | 1c u32 NPA length
//	20 u32 bytes that were read already | 24 u32 reserved, 0
//	28 binding string without NUL, then the NPA request from its offset 16,
//	   then the bytes that were read already
//
// The version is 1 when nothing was read already, as nearly always, and 2
// otherwise: a worker that knows version 1 alone refuses only those.
//
// A datagram that Parse takes is complete and consistent in itself; whether it
// is true is up to the descriptor that came with it.
//
// Its API is for others to import.
package handoff
