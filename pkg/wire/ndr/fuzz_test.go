// SPDX-License-Identifier: Apache-2.0

package ndr

// Any input: no panic, no allocation out of proportion, and what was taken is
// written to a stub that says the same.

import (
	"bytes"
	"math/rand"
	"testing"

	"msrpcd/tests/vectors"
)

// fuzzed are the types that FuzzValue reads, by number.
var fuzzed = []func() Value{
	func() Value { return new(sink) },
	func() Value { return new(newClient) },
	func() Value { return new(echoCall2) },
	func() Value { return new(shareEnum) },
	func() Value { return new(lsaLookup) },
	func() Value { return new(eptLookupOut) },
	func() Value { return new(eptMapIn) },
	func() Value { return new(texts) },
	func() Value { return new(prims) },
	func() Value { return new(shared) },
	func() Value { return new(nestedCall) },
	func() Value { return new(pairCall) },
}

// isConstruct says which of them are read by Value; others are parameter lists.
func isConstruct(n int) bool { return n < 2 }

func read(d *Decoder, n int) Value {
	v := fuzzed[n]()
	if isConstruct(n) {
		d.Value(v)
	} else {
		d.Params(v)
	}
	return v
}

func write(e *Encoder, n int, v Value) {
	if isConstruct(n) {
		e.Value(v)
	} else {
		e.Params(v)
	}
}

func FuzzValue(f *testing.F) {
	for seed := range int64(8) {
		for _, format := range allFormats {
			e := NewEncoder(nil, format)
			e.Value(randomSink(rand.New(rand.NewSource(seed))))
			f.Add(byte(0), byte(format), e.Bytes())
		}
	}
	for _, b := range vectors.Match(f, "samba/*.new_client.bin") {
		f.Add(byte(1), byte(0), b)
	}
	for _, c := range formatVectors {
		b := unhex(f, c.bytes)
		for n := 2; n < len(fuzzed); n++ {
			f.Add(byte(n), byte(c.format), b)
		}
	}
	f.Fuzz(func(t *testing.T, n, format byte, b []byte) {
		i, syntax := int(n)%len(fuzzed), Format(format)&(BigEndian|NDR64)
		d := NewDecoder(b, syntax)
		v := read(&d, i)
		if d.Offset() > len(b) || d.Left() < 0 {
			t.Fatalf("offset %d of %d", d.Offset(), len(b))
		}
		if d.Err() != nil {
			if d.Rest() != nil || d.Uint32() != 0 || d.Count(1) != 0 || len(d.WString().String()) != 0 {
				t.Fatal("reads on after an error")
			}
			return
		}
		e := NewEncoder(nil, syntax)
		if write(&e, i, v); e.Err() != nil {
			t.Fatalf("what was read is not writable: %v", e.Err())
		}
		if e.Offset() > len(b)+8*len(b) {
			t.Fatalf("%d bytes of %d", e.Offset(), len(b))
		}
		d = NewDecoder(e.Bytes(), syntax)
		again := read(&d, i)
		if err := d.Close(); err != nil {
			t.Fatalf("what was written is not readable: %v", err)
		}
		e2 := NewEncoder(nil, syntax)
		if write(&e2, i, again); !bytes.Equal(e.Bytes(), e2.Bytes()) {
			t.Fatalf("written again:\n%x\n%x", e2.Bytes(), e.Bytes())
		}
	})
}

// FuzzCalls reads by a random program of primitives, as a caller may.
func FuzzCalls(f *testing.F) {
	f.Add(byte(0), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, make([]byte, 200))
	f.Add(byte(2), []byte{13, 9, 2}, unhex(f, "03000000000000000000000000000000030000000000000061620000"))
	f.Add(byte(1), []byte{8, 12}, unhex(f, "000000020000000000000002"))
	f.Fuzz(func(t *testing.T, format byte, program, b []byte) {
		d := NewDecoder(b, Format(format))
		for _, op := range program {
			before := d.Offset()
			n, min := 0, 1
			switch op % 16 {
			case 0:
				d.Uint8()
			case 1:
				d.Enum()
			case 2:
				d.Uint32()
			case 3:
				d.Uint3264()
			case 4:
				d.Float64()
			case 5:
				d.ContextHandle()
			case 6:
				d.Struct(Align(op))
			case 7:
				d.EndStruct(AlignPtr)
			case 8:
				n, min = d.Count(int(op>>4)), max(1, int(op>>4))
			case 9:
				n = len(d.String())
			case 10:
				n, min = d.WString().Len(), 2
			case 11:
				_, n = d.Varying(uint32(op), 3)
				min = 3
			case 12:
				_, w := d.WChars()
				n, min = w.Len(), 2
				if !w.Equal(w.String()) {
					t.Fatal("text is not equal to itself")
				}
			case 13:
				n = len(d.VaryingString(uint32(op)))
			case 14:
				n = len(d.Octets(int(int8(op))))
			case 15:
				d.Unique()
			}
			if n < 0 || n*min > len(b)-before {
				t.Fatalf("operation %d gives %d elements with %d bytes left", op, n, len(b)-before)
			}
			if d.Offset() < before || d.Offset() > len(b) {
				t.Fatalf("operation %d goes from %d to %d of %d", op, before, d.Offset(), len(b))
			}
		}
	})
}
