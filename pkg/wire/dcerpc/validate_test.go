// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"encoding/binary"
	"path"
	"testing"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// order is what binary.LittleEndian and binary.BigEndian have in common.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// contexts says for each presentation context how many transfer syntaxes it has.
func bindPDU(o order, contexts []int, auth int) []byte {
	drep := byte(0x10)
	if o == order(binary.BigEndian) {
		drep = 0
	}
	b := []byte{5, 0, PTypeBind, FlagFirst | FlagLast, drep, 0, 0, 0, 0, 0, 0, 0}
	b = o.AppendUint32(b, 0x01020304)
	b = o.AppendUint16(b, 4280)
	b = o.AppendUint16(b, 5840)
	b = o.AppendUint32(b, 0x012cf68f)
	b = append(b, byte(len(contexts)))
	if len(contexts) > 0 {
		b = append(b, 0, 0, 0)
	}
	for i, n := range contexts {
		b = o.AppendUint16(b, uint16(i))
		b = append(b, byte(n), 0)
		b = append(b, make([]byte, 20+20*n)...)
	}
	if auth > 0 {
		b = append(b, 10, 6, 0, 0, 0, 0, 0, 0)
		b = append(b, make([]byte, auth)...)
	}
	o.PutUint16(b[8:], uint16(len(b)))
	o.PutUint16(b[10:], uint16(auth))
	return b
}

// orderOf is the byte order that a PDU says it has.
func orderOf(b []byte) order {
	if b[4]&0x10 != 0 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// with returns b with the bytes at off replaced.
func with(b []byte, off int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[off:], v)
	return b
}

func TestValidateAccepts(t *testing.T) {
	le, be := order(binary.LittleEndian), order(binary.BigEndian)
	for _, c := range []struct {
		name string
		pdu  []byte
		want Bind
	}{
		{"one context", bindPDU(le, []int{1}, 0), Bind{FragLength: 72, Contexts: 1}},
		{"big-endian", bindPDU(be, []int{1}, 0), Bind{BigEndian: true, FragLength: 72, Contexts: 1}},
		{"no context, 25 bytes", bindPDU(le, nil, 0), Bind{FragLength: 25}},
		{"no context, with auth", bindPDU(be, nil, 16), Bind{BigEndian: true, FragLength: 49, AuthLength: 16}},
		{"three contexts with auth", bindPDU(le, []int{1, 2, 0}, 40), Bind{FragLength: 28 + 44 + 64 + 24 + 48, AuthLength: 40, Contexts: 3}},
		{"all contexts there are", bindPDU(be, make([]int, 255), 0), Bind{BigEndian: true, FragLength: 28 + 255*24, Contexts: 255}},
		{"minor version 9", with(bindPDU(le, []int{1}, 0), 1, 9), Bind{FragLength: 72, Contexts: 1}},
		{"no flags", with(bindPDU(le, []int{1}, 0), 3, 0), Bind{FragLength: 72, Contexts: 1}},
		{"strange characters and floats", with(bindPDU(le, []int{1}, 0), 4, 0x11, 7), Bind{FragLength: 72, Contexts: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.CallID, c.want.MaxXmit, c.want.MaxRecv, c.want.AssocGroup = 0x01020304, 4280, 5840, 0x012cf68f
			got, need, rej := Validate(c.pdu)
			if need != 0 || rej != nil {
				t.Fatalf("need %d, reject %+v", need, rej)
			}
			check.Same(t, c.want, got)
			again, need, rej := Validate(append(bytes.Clone(c.pdu), "what follows"...))
			if again != got || need != 0 || rej != nil {
				t.Errorf("bytes that follow change it: %+v, need %d, reject %+v", again, need, rej)
			}
			growsByteByByte(t, c.pdu)
		})
	}
}

// growsByteByByte checks that each shorter beginning just asks for more, and
// never for more than the PDU has.
func growsByteByByte(t *testing.T, pdu []byte) {
	t.Helper()
	for i := range pdu {
		_, need, rej := Validate(pdu[:i])
		if rej != nil || need <= i || need > len(pdu) {
			t.Fatalf("%d of %d bytes: need %d, reject %+v", i, len(pdu), need, rej)
		}
	}
}

func TestValidateRefusesWithAsFewBytesAsShowIt(t *testing.T) {
	good := bindPDU(binary.LittleEndian, []int{1}, 0)
	for _, c := range []struct {
		name string
		b    []byte
		want *Reject
		at   int // bytes that show it
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), RejectVersion, 16},
		{"TLS", append([]byte{0x16, 3, 1, 2, 0, 1, 0}, good...), RejectVersion, 16},
		{"connectionless version 4", with(good, 0, 4), RejectVersion, 16},
		{"version 4 and an unknown type", with(good, 0, 4, 0, 99), RejectVersion, 16},
		{"version 6 and short", with(with(good, 0, 6), 8, 3, 0), RejectVersion, 16},
		{"unknown type", with(good, 2, 99), RejectType, 3},
		{"SOCKS 5 with many methods", []byte{5, 255, 255, 255}, RejectType, 3},
		{"request", with(good, 2, PTypeRequest), RejectNotBind, 16},
		{"alter_context", with(good, 2, PTypeAlterContext), RejectNotBind, 16},
		{"bind_ack", with(good, 2, PTypeBindAck), RejectNotBind, 16},
		{"frag_length 0", with(good, 8, 0, 0), RejectShort, 16},
		{"frag_length 16", with(good, 8, 16, 0), RejectShort, 16},
		{"frag_length 24", with(good, 8, 24, 0), RejectShort, 16},
		{"big-endian length in a little-endian bind", with(good, 8, 0, 72), RejectContexts, 0},
		{"auth_length takes all", with(good, 10, 72, 0), RejectAuth, 16},
		{"auth_length 65535", with(good, 10, 0xff, 0xff), RejectAuth, 16},
		{"auth_length leaves 24 bytes", with(good, 10, 72-8-24, 0), RejectAuth, 16},
		{"auth trailer over the context", with(good, 10, 1, 0), RejectContexts, 31},
		{"frag_length shorter than the bind", with(good, 8, 71, 0), RejectContexts, 31},
		{"frag_length ends in a context's head", with(good, 8, 29, 0), RejectContexts, 25},
		{"one context too many", with(good, 24, 2), RejectContexts, 25},
		{"255 contexts", with(good, 24, 255), RejectContexts, 25},
		{"255 transfer syntaxes", with(good, 30, 255), RejectContexts, 31},
		{"a context without room", with(bindPDU(binary.LittleEndian, nil, 0), 24, 1), RejectContexts, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.at == 0 { // 18432 bytes are waited for, the length may be true
				if _, need, rej := Validate(c.b); need != 72<<8 || rej != nil {
					t.Fatalf("need %d, reject %+v", need, rej)
				}
				return
			}
			for i := 0; i < c.at && i < len(c.b); i++ {
				if _, need, rej := Validate(c.b[:i]); need <= i || rej != nil {
					t.Fatalf("%d bytes: need %d, reject %+v", i, need, rej)
				}
			}
			for i := c.at; i <= len(c.b); i++ {
				bind, need, rej := Validate(c.b[:i])
				if rej != c.want || need != 0 {
					t.Fatalf("%d bytes: need %d, reject %+v, want %+v", i, need, rej, c.want)
				}
				if o := orderOf(append(bytes.Clone(c.b), good...)); rej.Nak && (bind.CallID != o.Uint32(c.b[12:]) || bind.BigEndian != (o == order(binary.BigEndian))) {
					t.Fatalf("no answer can be made of %+v", bind)
				}
			}
		})
	}
}

func TestValidateTakesBindsOfRealClients(t *testing.T) {
	for name, pdu := range capturedBinds(t) {
		bind, need, rej := Validate(pdu)
		if need != 0 || rej != nil || bind.FragLength != len(pdu) || bind.Contexts == 0 || bind.BigEndian {
			t.Errorf("%s: %+v, need %d, reject %+v", name, bind, need, rej)
		}
		growsByteByByte(t, pdu)
	}
}

// capturedBinds reads the PDUs out of NEW_CLIENT bodies that samba-dcerpcd sent.
func capturedBinds(t testing.TB) map[string][]byte {
	binds := map[string][]byte{}
	for p, b := range vectors.Match(t, "samba/*.new_client.bin") {
		n := binary.LittleEndian.Uint32(b[8:])
		binds[path.Base(p)] = b[12 : 12+n : 12+n]
	}
	return binds
}

func TestBindNak(t *testing.T) {
	// The little-endian one is what Samba 4.17 answers to a request as first PDU.
	little := []byte{
		5, 0, 13, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 7, 0, 0, 0,
		4, 0, 1, 5, 0, 0, 0, 0,
	}
	big := []byte{
		5, 0, 13, 3, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 7,
		0, 4, 1, 5, 0, 0, 0, 0,
	}
	check.Same(t, little, AppendBindNak(nil, false, 7, ReasonProtocolError))
	check.Same(t, append([]byte("x"), big...), AppendBindNak([]byte("x"), true, 7, ReasonProtocolError))
}

func TestNothingIsAllocated(t *testing.T) {
	pdu := bindPDU(binary.BigEndian, []int{1, 2, 3}, 64)
	bad := with(pdu, 24, 200)
	buf := make([]byte, 0, BindNakSize)
	n := testing.AllocsPerRun(100, func() {
		if _, need, rej := Validate(pdu); need != 0 || rej != nil {
			t.Fatal(need, rej)
		}
		bind, _, rej := Validate(bad)
		if rej == nil {
			t.Fatal("accepted")
		}
		buf = AppendBindNak(buf[:0], bind.BigEndian, bind.CallID, rej.Reason)
	})
	check.Is(t, "allocations", 0, n)
}

func BenchmarkValidate(b *testing.B) {
	pdu := bindPDU(binary.LittleEndian, []int{1, 1}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, rej := Validate(pdu); rej != nil {
			b.Fatal(rej)
		}
	}
}
