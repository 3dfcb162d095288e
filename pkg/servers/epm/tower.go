// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"encoding/binary"
	"errors"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// Protocol identifiers, the first byte of a floor (C706 appendix I).
const (
	ProtocolUUID      = 0x0d // interface, or transfer syntax
	ProtocolTCP       = 0x07 // RHS: port, big-endian
	ProtocolIP        = 0x09 // RHS: IPv4 address
	ProtocolCN        = 0x0b // connection-oriented RPC; RHS: minor version
	ProtocolLRPC      = 0x0c // ncalrpc; RHS: minor version
	ProtocolSMB       = 0x0f // RHS: pipe's name with NUL
	ProtocolNamedPipe = 0x10 // RHS: name of a local endpoint with NUL
	ProtocolNetBIOS   = 0x11 // RHS: host's name with NUL
	ProtocolHTTP      = 0x1f // RHS: port, big-endian
)

// Bounds of towers. The longest of Windows and Samba have 5 floors.
const (
	MaxTower  = 2048 // bytes
	maxFloors = 8
	minFloors = 3 // interface, transfer syntax, RPC protocol
)

// lhsUUID is the length of the left side of a UUID floor: protocol, UUID, major
// version; its right side is the minor version.
const lhsUUID = 1 + uuid.Size + 2

// Errors of ParseTower.
var (
	ErrTower  = errors.New("tower ends too early, or goes on after its last floor")
	ErrFloors = errors.New("tower has too few or too many floors")
	ErrSyntax = errors.New("tower does not begin with an interface and a transfer syntax")
)

// Tower is a parsed tower. Its slices point into what was parsed.
type Tower struct {
	Interface dcerpc.SyntaxID
	Transfer  dcerpc.SyntaxID

	floors [maxFloors]Floor
	n      int
}

// Floor is one protocol of a tower.
type Floor struct {
	Protocol byte
	Data     []byte // of the left side, after the protocol
	RHS      []byte

	at int // where RHS begins in the tower
}

// Floors are those above the transfer syntax, at least one.
func (t *Tower) Floors() []Floor { return t.floors[:t.n] }

// ParseTower reads a tower octet string, little-endian whatever the stub is
// (C706 appendix I). It does not allocate.
func ParseTower(b []byte) (t Tower, err error) {
	if len(b) < 2 || len(b) > MaxTower {
		return t, ErrTower
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n < minFloors || n > maxFloors+2 {
		return t, ErrFloors
	}
	at := 2
	for i := range n {
		var f Floor
		if f, at = nextFloor(b, at); at == 0 {
			return t, ErrTower
		}
		switch i {
		case 0, 1:
			id, ok := f.syntax()
			if !ok {
				return t, ErrSyntax
			}
			if i == 0 {
				t.Interface = id
			} else {
				t.Transfer = id
			}
		default:
			t.floors[t.n] = f
			t.n++
		}
	}
	if at != len(b) {
		return t, ErrTower
	}
	return t, nil
}

// nextFloor reads the floor at offset at; next is 0 when it is not whole.
func nextFloor(b []byte, at int) (f Floor, next int) {
	lhs, at := side(b, at)
	if at == 0 || len(lhs) == 0 {
		return f, 0
	}
	rhs, next := side(b, at)
	if next == 0 {
		return f, 0
	}
	return Floor{lhs[0], lhs[1:], rhs, next - len(rhs)}, next
}

// side reads a counted half of a floor.
func side(b []byte, at int) (p []byte, next int) {
	if len(b)-at < 2 {
		return nil, 0
	}
	n := int(binary.LittleEndian.Uint16(b[at:]))
	at += 2
	if len(b)-at < n {
		return nil, 0
	}
	return b[at : at+n : at+n], at + n
}

// syntax is what a UUID floor says.
func (f *Floor) syntax() (id dcerpc.SyntaxID, ok bool) {
	if f.Protocol != ProtocolUUID || len(f.Data) != lhsUUID-1 || len(f.RHS) != 2 {
		return id, false
	}
	id.UUID = uuid.FromWire([uuid.Size]byte(f.Data), false)
	id.Version = uint32(binary.LittleEndian.Uint16(f.Data[uuid.Size:])) |
		uint32(binary.LittleEndian.Uint16(f.RHS))<<16
	return id, true
}

func appendSyntax(b []byte, id dcerpc.SyntaxID) []byte {
	b = binary.LittleEndian.AppendUint16(b, lhsUUID)
	b = append(b, ProtocolUUID)
	b = id.UUID.AppendWire(b, false)
	b = binary.LittleEndian.AppendUint16(b, id.Major())
	b = binary.LittleEndian.AppendUint16(b, 2)
	return binary.LittleEndian.AppendUint16(b, id.Minor())
}

func appendFloor(b []byte, protocol byte, rhs ...byte) []byte {
	b = append(b, 1, 0, protocol)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(rhs)))
	return append(b, rhs...)
}

// sameProtocols says that two towers have the same protocols above the transfer
// syntax, wherever they lead.
func sameProtocols(a, b *Tower) bool {
	if a.n != b.n {
		return false
	}
	for i := range a.n {
		if a.floors[i].Protocol != b.floors[i].Protocol {
			return false
		}
	}
	return true
}

// clone is t with its own memory, as much as a question needs: the protocols.
func (t *Tower) clone() Tower {
	c := Tower{Interface: t.Interface, Transfer: t.Transfer, n: t.n}
	for i := range t.n {
		c.floors[i].Protocol = t.floors[i].Protocol
	}
	return c
}
