// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns the common header and the data representation label in it.

// Drep is the data representation format label (C706 14.1): how integers,
// characters and floats are written, in the PDU's own fields as well as in its
// stub. Two reserved bytes end it. The zero value is big-endian, ASCII, IEEE.
type Drep [4]byte

// LittleEndian is the label of nearly all clients: ASCII and IEEE too.
// BigEndian is that of a client with the network's byte order.
var (
	LittleEndian = Drep{drepLittle}
	BigEndian    = Drep{}
)

// Representations of characters and floats.
const (
	CharASCII  = 0
	CharEBCDIC = 1
	FloatIEEE  = 0
	FloatVAX   = 1
	FloatCray  = 2
	FloatIBM   = 3
)

// BigEndian reports whether integers are big-endian.
func (d Drep) BigEndian() bool { return d[0]&drepLittle == 0 }

// Chars returns CharASCII or CharEBCDIC.
func (d Drep) Chars() byte { return d[0] & 0x0f }

// Floats returns FloatIEEE, FloatVAX, FloatCray or FloatIBM.
func (d Drep) Floats() byte { return d[1] }

// Valid reports whether C706 defines every value in d, and the reserved bytes
// are zero.
func (d Drep) Valid() bool {
	return d[0]>>4 <= 1 && d.Chars() <= CharEBCDIC && d.Floats() <= FloatIBM && d[2]|d[3] == 0
}

// Header is the header that all PDUs begin with (C706 12.6.3.1). rpc_vers is 5
// and rpc_vers_minor 0. The Append functions set Type, FragLength and
// AuthLength themselves, whatever is in there.
type Header struct {
	Type       byte   // one of the PType constants
	Flags      byte   // Flag constants; 0x08 has no meaning and is kept
	Drep       Drep   // of the whole PDU
	FragLength uint16 // bytes of the PDU
	AuthLength uint16 // bytes of auth_value, 0 = no auth trailer
	CallID     uint32 // an answer repeats the request's
}

// BigEndian reports whether the integers of the PDU are big-endian.
func (h Header) BigEndian() bool { return h.Drep.BigEndian() }

// Whole reports whether the PDU is first and last fragment.
func (h Header) Whole() bool { return h.Flags&(FlagFirst|FlagLast) == FlagFirst|FlagLast }

// Reply is the header of an answer to a PDU with header h: its call id and its
// byte order, with ASCII and IEEE, and flags.
func (h Header) Reply(flags byte) Header {
	return Header{Flags: flags, Drep: Drep{h.Drep[0] & drepLittle}, CallID: h.CallID}
}

// ParseHeader reads the header at the beginning of b.
//
// need > 0: that many bytes in all have to be there, call again with more. rej:
// not acceptable, with the first bytes that show it; h is valid then if b has
// HeaderSize bytes. maxFrag, in bytes, bounds fragments of calls (request,
// response, fault), 0 means no bound; a bind or its like can be MaxPDU bytes.
func ParseHeader(b []byte, maxFrag int) (h Header, need int, rej *Reject) {
	if len(b) > 2 && b[0] == rpcVersion && b[2] > lastPType {
		return h, 0, RejectType
	}
	if len(b) < HeaderSize {
		return h, HeaderSize, nil
	}
	h.Type, h.Flags = b[2], b[3]
	h.Drep = Drep(b[4:8])
	big := h.BigEndian()
	h.FragLength = u16(b[8:], big)
	h.AuthLength = u16(b[10:], big)
	h.CallID = u32(b[12:], big)
	switch {
	case b[0] != rpcVersion:
		return h, 0, ErrVersion
	case b[1] != 0:
		return h, 0, ErrMinorVersion
	case TypeName(h.Type) == "unknown": // one of C706's connectionless protocol
		return h, 0, ErrUnexpected
	case !h.Drep.Valid():
		return h, 0, ErrDrep
	case h.FragLength < HeaderSize:
		return h, 0, ErrFragShort
	case maxFrag > 0 && int(h.FragLength) > maxFrag && h.Type <= PTypeFault:
		return h, 0, ErrFragLong
	case h.AuthLength > 0 && int(h.AuthLength)+authTrailer > int(h.FragLength)-HeaderSize:
		return h, 0, ErrAuthLength
	}
	return h, 0, nil
}

// append appends the header of a PDU of ptype without auth trailer. finish has
// to follow.
func (h Header) append(dst []byte, ptype byte) []byte {
	dst = append(dst, rpcVersion, 0, ptype, h.Flags, h.Drep[0], h.Drep[1], h.Drep[2], h.Drep[3], 0, 0, 0, 0)
	return put32(dst, h.CallID, h.BigEndian())
}

// finish sets frag_length of the PDU that begins at start. What is longer than
// a PDU can be is taken away again.
func finish(dst []byte, start int) []byte {
	n := len(dst) - start
	if n > MaxPDU {
		return dst[:start]
	}
	set16(dst[start+8:], uint16(n), dst[start+4]&drepLittle == 0)
	return dst
}
