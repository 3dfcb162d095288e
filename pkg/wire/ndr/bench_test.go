// SPDX-License-Identifier: Apache-2.0

package ndr

// What must not allocate, and how fast it is.

import (
	"testing"

	"msrpcd/tests/vectors"
)

func TestNoAllocation(t *testing.T) {
	var p prims
	var s texts
	var d Decoder
	var e Encoder
	e.Reset(make([]byte, 0, 4096), 0)
	e.Params(&onePrims)
	e.Params(&oneTexts)
	buf := make([]byte, 0, 4096)
	stub := e.Bytes()
	if n := testing.AllocsPerRun(100, func() {
		d.Reset(stub, 0)
		d.Params(&p)
		d.Params(&s)
		e.Reset(buf, BigEndian)
		e.Params(&p)
		e.Params(&s)
	}); n != 0 || d.Close() != nil || e.Err() != nil {
		t.Errorf("primitives and strings by a Codec: %v allocations, %v, %v", n, d.Err(), e.Err())
	}
	if n := testing.AllocsPerRun(100, func() {
		d := NewDecoder(stub, 0)
		d.Uint8()
		d.Uint32()
		d.Uint64()
		d.ContextHandle()
		e := NewEncoder(buf, NDR64)
		e.Uint8(1)
		e.String("text of a length that no small buffer on the stack would hold")
		e.Unique(true)
		e.ContextHandle(ContextHandle{})
	}); n != 0 {
		t.Errorf("Decoder and Encoder on the stack: %v allocations", n)
	}
	b := vectors.Read(t, "samba/samba-4.22.11.new_client.bin")
	var client newClient
	if n := testing.AllocsPerRun(100, func() {
		d.Reset(b, 0)
		d.Value(&client) // its arrays have the capacity from the first time
		e.Reset(buf, 0)
		e.Value(&client)
	}); n != 0 || d.Close() != nil {
		t.Errorf("a whole NEW_CLIENT: %v allocations, %v", n, d.Err())
	}
}

func BenchmarkDecodeUint32(b *testing.B) {
	b.ReportAllocs()
	stub := make([]byte, 400)
	d := NewDecoder(stub, 0)
	sum := uint32(0)
	for i := 0; i < b.N; i++ {
		if i%100 == 0 {
			d.Reset(stub, 0)
		}
		sum += d.Uint32()
	}
	if sum != 0 || d.Err() != nil {
		b.Fatal(d.Err())
	}
}

func BenchmarkEncodeUint32(b *testing.B) {
	b.ReportAllocs()
	var buf [400]byte
	e := NewEncoder(buf[:0], 0)
	for i := 0; i < b.N; i++ {
		if i%100 == 0 {
			e.Reset(buf[:0], 0)
		}
		e.Uint32(uint32(i))
	}
}

func BenchmarkDecodeStrings(b *testing.B) {
	b.ReportAllocs()
	e := NewEncoder(nil, 0)
	e.String("ncacn_ip_tcp:[49152]")
	e.WString(MakeUTF16(`\\server`))
	for i := 0; i < b.N; i++ {
		d := NewDecoder(e.Bytes(), 0)
		if d.String(); !d.WString().Equal(`\\server`) || d.Err() != nil {
			b.Fatal(d.Err())
		}
	}
}

func BenchmarkNewClient(b *testing.B) {
	stub := vectors.Read(b, "samba/samba-4.22.11.new_client.bin")
	var client newClient
	buf := make([]byte, 0, 1024)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		var d Decoder
		for i := 0; i < b.N; i++ {
			d.Reset(stub, 0)
			d.Value(&client)
		}
		if d.Close() != nil {
			b.Fatal(d.Err())
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var e Encoder
		for i := 0; i < b.N; i++ {
			e.Reset(buf, 0)
			e.Value(&client)
		}
	})
}
