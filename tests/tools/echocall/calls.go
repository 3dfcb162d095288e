// SPDX-License-Identifier: Apache-2.0

package main

import "msrpcd/pkg/wire/ndr"

// call is one call with the results that are right, both written in the format
// of the connection.
type call struct {
	name    string
	opnum   uint16
	in, out write
}

type write func(e *ndr.Encoder)

// large is more than a fragment, in bytes.
const large = 100000

var calls = []call{
	{"AddOne", 0, long(41), long(42)},
	{"EchoData", 1, all(long(large), array(large)), array(large)},
	{"SinkData", 2, all(long(large), array(large)), all()},
	{"SourceData", 3, long(large), array(large)},
	{"TestCall", 4, text("Grüße"), all(pointer, text("Grüße"))},
	{"TestCall2", 5, short16(3), all(short16(3), align, long(30), long(0))},
	{"TestSleep", 6, long(0), long(0)},
	{"TestEnum", 7, all(enum(1), structure, enum(1), long(2), enum(1), enum(2)), all(enum(1), structure, enum(2), long(2), enum(1), enum(2))},
	{"TestSurrounding", 8, surrounding(7), surrounding(14)},
	{"TestDoublePointer", 9, all(pointer, pointer, short16(12)), short16(12)},
}

func all(parts ...write) write {
	return func(e *ndr.Encoder) {
		for _, w := range parts {
			w(e)
		}
	}
}

func long(v uint32) write    { return func(e *ndr.Encoder) { e.Uint32(v) } }
func short16(v uint16) write { return func(e *ndr.Encoder) { e.Uint16(v) } }
func enum(v uint16) write    { return func(e *ndr.Encoder) { e.Enum(v) } }
func text(s string) write    { return func(e *ndr.Encoder) { e.WString(ndr.MakeUTF16(s)) } }
func pointer(e *ndr.Encoder) { e.Unique(true) }

// align begins the arm of a union that has a hyper in another arm, structure
// one of enums and longs.
func align(e *ndr.Encoder)     { e.Align(ndr.AlignPtr) }
func structure(e *ndr.Encoder) { e.Align(ndr.Align4) }

// array is a conformant array of n bytes that count.
func array(n int) write {
	return func(e *ndr.Encoder) {
		e.Count(n)
		for i := range n {
			e.Uint8(uint8(i))
		}
	}
}

// surrounding is a structure of a long and an array of n zeros.
func surrounding(n int) write {
	return func(e *ndr.Encoder) {
		e.Count(n)
		e.Uint32(uint32(n))
		for range n {
			e.Uint16(0)
		}
		e.EndStruct(ndr.Align4)
	}
}
