// SPDX-License-Identifier: Apache-2.0

package samba

// Body of MsgNewClient (NDR32, little-endian, aligned from the body's start):
//
//	00 u32 referent, 04 u32 referent, 08 u32 L, 0c L bytes: the first PDU
//	string: binding of the listener (u32 max, u32 0, u32 actual, bytes with NUL)
//	named_pipe_auth_req_info5, 7 or 8: the client's identity, to the very end
//
// A body is built in place behind the PDU, which the caller has read to
// ClientHead. Offsets are len() of the slice, so dst always starts at the
// body's start. Nothing is allocated while dst has the capacity.

import "encoding/binary"

// ClientHead is the offset of the PDU in a body.
const ClientHead = 12

// firstRef is the referent id of the first pointer; each following one has the
// id before plus 4.
const firstRef = 0x00020000

// ClientRoom is the room that a body needs beside PDU and NPA bytes: head,
// binding of up to 512 bytes, and the anonymous session with socket paths.
const ClientRoom = 4 << 10

func ref(n int) uint32 { return firstRef + uint32(4*n) }

func appendU32(b []byte, v ...uint32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// appendAlign appends zeros up to a multiple of n, a power of two up to 8.
func appendAlign(b []byte, n int) []byte {
	var zero [8]byte
	return append(b, zero[:-len(b)&(n-1)]...)
}

// appendString appends a conformant varying string with its NUL and k more.
func appendString[T string | []byte](b []byte, s T, k int) []byte {
	var nul [8]byte
	b = appendAlign(b, 4)
	n := uint32(len(s) + 1 + k)
	b = appendU32(b, n, 0, n)
	b = append(b, s...)
	return append(b, nul[:1+k]...)
}

// putClientHead writes what stands before the PDU that fills b from ClientHead on.
func putClientHead(b []byte) {
	binary.LittleEndian.PutUint32(b, ref(0))
	binary.LittleEndian.PutUint32(b[4:], ref(1))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-ClientHead))
}

// AppendBinding completes the head of a body of ClientHead bytes and the PDU,
// which may be empty, and appends the binding such that NPA bytes appended
// next are aligned as in their request, where they began at 16: the body goes
// on at an offset that is 0 modulo 8. For that the string gets up to four
// more NULs, which its readers do not see.
func AppendBinding(body, binding []byte) []byte {
	putClientHead(body)
	start := (len(body)+3)&^3 + ClientHead // max, offset and actual are 12 bytes too
	gap := -(start + len(binding) + 1) & 7 // up to 3 of it is the padding after any string
	k := max(gap-3, 0)
	return appendAlign(appendString(body, binding, k), 4)
}

// AppendClient builds the body for a client of a named pipe: body holds
// ClientHead bytes and the PDU, npa is the named pipe auth request from its
// offset 16, which is passed on as it is.
func AppendClient(body, binding, npa []byte) []byte {
	return append(AppendBinding(body, binding), npa...)
}
