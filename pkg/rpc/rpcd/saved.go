// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"encoding/binary"
	"errors"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// This file owns what is written down of a connection that is to outlive the
// process. It is read by the next incarnation, perhaps of another version, and
// believed only as far as it is consistent.
//
// All integers are little-endian. The file of a connection begins with
//
//	00 u32 magic "MSRC" | 04 u16 version 1 | 06 u16 mark: not 0 = in a call
//	08 u32 NPA level | 0c u32 length of the NPA info that follows
//	10 u32 offset and 14 u32 length of the state: the newest of two
//	18 u64 0 | 20 NPA info
//
// and a state is
//
//	00 u16 flags | 02 u16 longest fragment | 04 u32 association group
//	08 u64 generation of the handles | 10 u16 number of contexts | 12 u16 0
//	contexts, 24 bytes each: interface, u32 version, u16 id, u16 bits: 1 = NDR64,
//	  2 = it was offered besides NDR
//	u32 length, bytes that were read and not served
//	u32 length, answers that were not sent
//	with savedCall: header of the call that is being collected
//	  (u8 flags, u8 0, drep, u32 call id, u32 alloc_hint, u16 context,
//	  u16 opnum, object, u32 length, stub)
//	with savedHandles: u32 number, for each handle: id, interface, u32 version,
//	  u32 length, bytes of Snapshot
//	with savedSecure: u32 number of security contexts, for each: u32 auth_context_id,
//	  u8 auth_type, u8 level, u16 bits: 1 = of calls without trailer, 2 = of the
//	  call that is being collected; u32 length, what its mechanism wrote
const (
	savedMagic   = 0x4352534d
	savedVersion = 1
	fileHeader   = 32
	contextSize  = 24
	handleSize   = 40

	maxSaved   = 16 << 20 // bytes of a state
	maxHandles = 1 << 20  // bytes of all snapshots of a group
)

// Flags of a state.
const (
	savedBound      = 1 << iota
	savedMultiplex  // concurrent multiplexing was negotiated
	savedWantNPA    // the named pipe auth request is not complete
	savedCall       // a call of several fragments is being collected
	savedHandles    // the handles of the group are here
	savedLost       // the group has a handle that cannot be kept
	savedSecure     // there are security contexts
	savedSignHeader // header signing was agreed on
	savedKeepOrphan // an orphaned call is to be forgotten
	savedExplicit   // the client has named a security context in a call
	savedAll        = 1<<iota - 1
)

var errSaved = errors.New("not the state of a connection of this version")

// saved is a state.
type saved struct {
	flags      uint16
	maxFrag    uint16
	group      uint32
	generation uint64
	contexts   []savedContext
	in, out    []byte
	call       dcerpc.Call // with savedCall
	handles    []savedHandle

	securities []savedSecurity // with savedSecure
}

type savedContext struct {
	iface dcerpc.SyntaxID
	id    uint16
	ndr64 bool
	both  bool
}

type savedHandle struct {
	id    [16]byte
	iface dcerpc.SyntaxID
	state []byte
}

var le = binary.LittleEndian

func appendBytes(dst, b []byte) []byte {
	return append(le.AppendUint32(dst, uint32(len(b))), b...)
}

func appendID(dst []byte, id dcerpc.SyntaxID) []byte {
	return le.AppendUint32(append(dst, id.UUID[:]...), id.Version)
}

// append encodes a state.
func (s *saved) append(dst []byte) []byte {
	dst = le.AppendUint16(dst, s.flags)
	dst = le.AppendUint16(dst, s.maxFrag)
	dst = le.AppendUint32(dst, s.group)
	dst = le.AppendUint64(dst, s.generation)
	dst = le.AppendUint16(dst, uint16(len(s.contexts)))
	dst = le.AppendUint16(dst, 0)
	for i := range s.contexts {
		x := &s.contexts[i]
		dst = le.AppendUint16(appendID(dst, x.iface), x.id)
		var bits uint16
		if x.ndr64 {
			bits = 1
		}
		if x.both {
			bits |= 2
		}
		dst = le.AppendUint16(dst, bits)
	}
	dst = appendBytes(appendBytes(dst, s.in), s.out)
	if k := &s.call; s.flags&savedCall != 0 {
		dst = append(dst, k.Flags, 0)
		dst = append(dst, k.Drep[:]...)
		dst = le.AppendUint32(dst, k.CallID)
		dst = le.AppendUint32(dst, k.AllocHint)
		dst = le.AppendUint16(dst, k.ContextID)
		dst = le.AppendUint16(dst, k.Opnum)
		dst = append(dst, k.Object[:]...)
		dst = appendBytes(dst, k.Stub)
	}
	if s.flags&savedHandles != 0 {
		dst = le.AppendUint32(dst, uint32(len(s.handles)))
		for i := range s.handles {
			h := &s.handles[i]
			dst = appendBytes(appendID(append(dst, h.id[:]...), h.iface), h.state)
		}
	}
	if s.flags&savedSecure != 0 {
		dst = appendSecurities(dst, s.securities)
	}
	return dst
}

// savedReader takes fields from the front of b; once bad it stays so.
type savedReader struct {
	b   []byte
	bad bool
}

func (r *savedReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return make([]byte, min(max(n, 0), handleSize))
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *savedReader) u16() uint16 { return le.Uint16(r.take(2)) }
func (r *savedReader) u32() uint32 { return le.Uint32(r.take(4)) }
func (r *savedReader) u64() uint64 { return le.Uint64(r.take(8)) }

func (r *savedReader) bytes() []byte {
	if n := r.u32(); !r.bad && uint64(n) <= uint64(len(r.b)) {
		return r.take(int(n))
	}
	r.bad = true
	return nil
}

func (r *savedReader) id() (id dcerpc.SyntaxID) {
	id.UUID = uuid.UUID(r.take(16))
	id.Version = r.u32()
	return id
}

// parseSaved decodes what append wrote. Its slices point into b.
func parseSaved(b []byte) (s saved, err error) {
	r := savedReader{b: b}
	s.flags, s.maxFrag, s.group, s.generation = r.u16(), r.u16(), r.u32(), r.u64()
	n, zero := int(r.u16()), r.u16()
	if r.bad || len(b) > maxSaved || s.flags&^uint16(savedAll) != 0 || zero != 0 || n*contextSize > len(r.b) {
		return s, errSaved
	}
	for range n {
		x := savedContext{iface: r.id(), id: r.u16()}
		bits := r.u16()
		x.ndr64, x.both = bits&1 != 0, bits&2 != 0
		r.bad = r.bad || bits > 2
		s.contexts = append(s.contexts, x)
	}
	s.in, s.out = r.bytes(), r.bytes()
	if k := &s.call; s.flags&savedCall != 0 {
		head := r.take(6)
		k.Type, k.Flags = dcerpc.PTypeRequest, head[0]
		copy(k.Drep[:], head[2:])
		r.bad = r.bad || head[1] != 0 || k.Flags&dcerpc.FlagFirst == 0 || k.Flags&dcerpc.FlagLast != 0
		k.CallID, k.AllocHint, k.ContextID, k.Opnum = r.u32(), r.u32(), r.u16(), r.u16()
		k.Object = uuid.UUID(r.take(16))
		k.Stub = r.bytes()
	}
	if s.flags&savedHandles != 0 {
		n := r.u32()
		if r.bad || uint64(n)*handleSize > uint64(len(r.b)) {
			return s, errSaved
		}
		for range n {
			h := savedHandle{id: [16]byte(r.take(16)), iface: r.id()}
			h.state = r.bytes()
			s.handles = append(s.handles, h)
		}
	}
	if s.flags&savedSecure != 0 {
		s.securities = r.securities()
	}
	if r.bad || len(r.b) != 0 || s.flags&savedBound != 0 == (s.group == 0) {
		return saved{}, errSaved
	}
	return s, nil
}

// appendFile is the file of a connection when it is first kept.
func appendFile(dst []byte, mark bool, level uint32, npa, state []byte) []byte {
	dst = le.AppendUint32(dst, savedMagic)
	dst = le.AppendUint16(dst, savedVersion)
	dst = append(dst, markBytes(mark)...)
	dst = le.AppendUint32(dst, level)
	dst = le.AppendUint32(dst, uint32(len(npa)))
	dst = le.AppendUint32(dst, uint32(fileHeader+len(npa)))
	dst = le.AppendUint32(dst, uint32(len(state)))
	dst = le.AppendUint64(dst, 0)
	dst = append(dst, npa...)
	return append(dst, state...)
}

const (
	markAt  = 6
	stateAt = 16 // offset and length of the state
)

func markBytes(mark bool) []byte {
	if mark {
		return []byte{1, 0}
	}
	return []byte{0, 0}
}

// savedFile is the header of a file.
type savedFile struct {
	mark   bool
	level  uint32
	npa    int // bytes
	at, n  int // state
	length int // of the whole file
}

// parseFile decodes the header of a file of length bytes.
func parseFile(b []byte, length int64) (f savedFile, err error) {
	if len(b) != fileHeader || le.Uint32(b) != savedMagic || le.Uint16(b[4:]) != savedVersion || le.Uint64(b[24:]) != 0 ||
		length > 4*maxSaved {
		return f, errSaved
	}
	f = savedFile{mark: le.Uint16(b[markAt:]) != 0, level: le.Uint32(b[8:]), length: int(length)}
	npa, at, n := int64(le.Uint32(b[12:])), int64(le.Uint32(b[stateAt:])), int64(le.Uint32(b[stateAt+4:]))
	if npa > handoff.MaxNPA || at < fileHeader+npa || n > maxSaved || at+n > length {
		return f, errSaved
	}
	f.npa, f.at, f.n = int(npa), int(at), int(n)
	return f, nil
}
