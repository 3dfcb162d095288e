// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"testing"

	"msrpcd/pkg/wire/uuid"
)

var verifiedCall = Call{Header{Type: PTypeRequest, Drep: LittleEndian, CallID: 7}, Request{ContextID: 1, Opnum: 3}}

var verifiedID = SyntaxID{uuid.MustParse("60a15ec5-4de8-11d7-a637-005056a20182"), 1}

func appendCommand(b []byte, kind uint16, body []byte) []byte {
	return append(put16(put16(b, kind, false), uint16(len(body)), false), body...)
}

// trailer is what Samba appends: all three commands.
func trailer(c *Call, bits uint32) []byte {
	b := appendCommand(bytes.Clone(verifyMagic), verifyBits, put32(nil, bits, false))
	b = appendCommand(b, verifySyntax, NDR.append(verifiedID.append(nil, false), false))
	h := append([]byte{PTypeRequest, 0, 0, 0}, c.Drep[:]...)
	h = put16(put16(put32(h, c.CallID, false), c.ContextID, false), c.Opnum, false)
	return appendCommand(b, verifyHeader|verifyEnd, h)
}

func TestVerificationTrailer(t *testing.T) {
	for _, drep := range []Drep{LittleEndian, BigEndian} {
		c := verifiedCall
		c.Drep = drep
		good := trailer(&c, 1)
		check := func(name string, stub []byte, signHeader, ok bool) {
			t.Helper()
			c.Stub = stub
			got, rej := CutVerification(&c, verifiedID, NDR, signHeader)
			if (rej == nil) != ok || ok && !bytes.Equal(got, []byte("argument")) {
				t.Errorf("%s, drep %x: %q, %v", name, drep, got, rej)
			}
		}
		stub := func(trailer []byte) []byte { return append([]byte("argument"), trailer...) }
		check("none", []byte("argument"), true, true)
		check("as Samba writes it", stub(good), true, true)
		check("header signing was taken away", stub(good), false, false)
		check("no header signing", stub(trailer(&c, 0)), false, true)
		syntax, header := len(verifyMagic)+12, len(good)-16
		for i := syntax; i < len(good); i++ {
			if i >= syntax+2*syntaxSize && i < header || i > header && i < header+4 {
				continue // kind and length of the next command, and reserved bytes
			}
			b := bytes.Clone(good)
			b[i] ^= 1
			check("a changed bit", stub(b), true, false)
		}
		for cut := len(verifyMagic); cut < len(good); cut++ {
			check("cut", stub(good[:cut]), true, false)
		}
		check("unknown command", stub(appendCommand(bytes.Clone(verifyMagic), 9|verifyEnd, nil)), true, true)
		check("unknown command that matters", stub(appendCommand(bytes.Clone(verifyMagic), 9|verifyEnd|verifyMust, nil)), true, false)
	}
}

func FuzzCutVerification(f *testing.F) {
	f.Add(append([]byte("argument"), trailer(&verifiedCall, 1)...), true)
	f.Add([]byte("argument"), false)
	f.Fuzz(func(t *testing.T, stub []byte, signHeader bool) {
		c := verifiedCall
		c.Stub = stub
		rest, rej := CutVerification(&c, verifiedID, NDR, signHeader)
		if rej == nil && !bytes.HasPrefix(stub, rest) {
			t.Errorf("%x of %x", rest, stub)
		}
	})
}
