// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"encoding/binary"
	"testing"
)

// FuzzValidate holds Validate against the rule written down a second time, and
// checks that more bytes never change what was refused.
func FuzzValidate(f *testing.F) {
	for _, pdu := range capturedBinds(f) {
		f.Add(pdu)
		f.Add(with(pdu, 8, 40, 0))
		f.Add(with(pdu, 24, 9))
	}
	f.Add(bindPDU(binary.BigEndian, []int{1, 0, 3}, 24))
	f.Add(bindPDU(binary.LittleEndian, nil, 0))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		bind, need, rej := Validate(b)
		switch {
		case rej != nil && need != 0:
			t.Fatalf("refused, yet %d bytes are needed", need)
		case need != 0 && need <= len(b):
			t.Fatalf("%d bytes are needed, there are %d", need, len(b))
		case rej == nil && need == 0 && !acceptable(b):
			t.Fatalf("accepted: %+v", bind)
		case rej != nil && acceptable(b):
			t.Fatalf("refused: %s", rej.Cause)
		case rej != nil && rej.Nak && len(b) < HeaderSize:
			t.Fatal("an answer without a call_id")
		}
		if len(b) > 0 {
			_, _, before := Validate(b[:len(b)-1])
			if before != nil && before != rej {
				t.Fatalf("one byte more turns %+v into %+v", before, rej)
			}
		}
	})
}

// acceptable is the rule of Validate for a whole PDU, written plainly.
func acceptable(b []byte) bool {
	if len(b) < 25 || b[0] != 5 || b[2] != PTypeBind {
		return false
	}
	var o binary.ByteOrder = binary.BigEndian
	if b[4]&0x10 != 0 {
		o = binary.LittleEndian
	}
	frag, auth := int(o.Uint16(b[8:])), int(o.Uint16(b[10:]))
	if frag < 25 || frag > len(b) {
		return false
	}
	body := b[:frag]
	if auth > 0 {
		if auth+8 > frag-25 {
			return false
		}
		body = b[:frag-auth-8]
	}
	if body[24] == 0 {
		return true
	}
	if len(body) < 28 {
		return false
	}
	rest := body[28:]
	for range body[24] {
		if len(rest) < 24 || len(rest) < 24+20*int(rest[2]) {
			return false
		}
		rest = rest[24+20*int(rest[2]):]
	}
	return true
}
