// SPDX-License-Identifier: Apache-2.0

package epm

// This file owns the arguments of the calls (C706 appendix O with MS-RPCE
// 2.2.1.2), each a parameter list for Decoder.Params and Encoder.Params. What
// was read points into the stub.
//
// Pointers are [ptr] in the IDL. No client aliases them, so they are read and
// written like [unique] ones.

import (
	"fmt"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// Interface is the endpoint mapper's interface, version 3.0.
var Interface = dcerpc.SyntaxID{UUID: uuid.MustParse("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), Version: 3}

// Operation numbers.
const (
	OpInsert = iota
	OpDelete
	OpLookup
	OpMap
	OpLookupHandleFree
	OpInqObject
	OpMgmtDelete
)

// Status is the error_status_t that each call returns last.
type Status uint32

// Values of Status (C706 appendix E).
const (
	OK                   Status = 0
	InvalidInquiryType   Status = 0x16c9a0a9 // rpc_s_invalid_inquiry_type
	InvalidVersionOption Status = 0x16c9a0bd // rpc_s_invalid_vers_option
	CantPerformOp        Status = 0x16c9a0cd // ept_s_cant_perform_op
	NoMemory             Status = 0x16c9a0ce // ept_s_no_memory
	CantCreate           Status = 0x16c9a0d0 // ept_s_cant_create
	InvalidEntry         Status = 0x16c9a0d3 // ept_s_invalid_entry
	UpdateFailed         Status = 0x16c9a0d4 // ept_s_update_failed
	NotRegistered        Status = 0x16c9a0d6 // ept_s_not_registered: nothing (more) matches
)

// Bounds of the calls.
const (
	MaxPage       = 500 // entries of one answer (MS-RPCE 2.2.1.2.4)
	maxAnnotation = 64  // bytes with NUL, ept_max_annotation_size
)

func (s Status) Error() string {
	switch s {
	case OK:
		return "ok"
	case InvalidInquiryType:
		return "rpc_s_invalid_inquiry_type"
	case InvalidVersionOption:
		return "rpc_s_invalid_vers_option"
	case CantPerformOp:
		return "ept_s_cant_perform_op"
	case NoMemory:
		return "ept_s_no_memory"
	case CantCreate:
		return "ept_s_cant_create"
	case InvalidEntry:
		return "ept_s_invalid_entry"
	case UpdateFailed:
		return "ept_s_update_failed"
	case NotRegistered:
		return "ept_s_not_registered"
	}
	return fmt.Sprintf("status 0x%08x", uint32(s))
}

// Inquiry types of LookupRequest.
const (
	AllElements = iota
	MatchByInterface
	MatchByObject
	MatchByBoth
)

// Version options of LookupRequest.
const (
	VersionsAll       = iota + 1 // any version
	VersionCompatible            // the major version, and at least the minor one
	VersionExact
	VersionMajorOnly // the major version, any minor one
	VersionUpTo      // this version or an older one
)

// TowerOctets is twr_t: a tower octet string.
type TowerOctets struct{ Octets ndr.Bytes }

// Conformance names the length.
func (t *TowerOctets) Conformance(c *ndr.Codec) { t.Octets.Conformance(c) }

// NDR names the members.
func (t *TowerOctets) NDR(c *ndr.Codec) {
	var n uint32
	c.Struct(ndr.Align4)
	c.SizeIs(&n, len(t.Octets))
	if c.Reading() && !c.Referents() && int64(n) != int64(len(t.Octets)) {
		c.Fail("tower", ndr.ErrCount)
	}
	c.Value(&t.Octets)
	c.EndStruct(ndr.Align4)
}

// TowerRef is a pointer to a tower, twr_p_t.
type TowerRef struct {
	Present bool
	Tower   TowerOctets
}

// NDR names the pointer.
func (t *TowerRef) NDR(c *ndr.Codec) { c.Unique(&t.Present, &t.Tower) }

// MinSize is that of the pointer.
func (*TowerRef) MinSize() int { return 4 }

// Entry is ept_entry_t.
type Entry struct {
	Object     uuid.UUID
	Tower      TowerRef
	Annotation []byte // without NUL, at most 63 bytes
}

// NDR names the members.
func (e *Entry) NDR(c *ndr.Codec) {
	c.Struct(ndr.AlignPtr)
	c.UUID((*[16]byte)(&e.Object))
	e.Tower.NDR(c)
	c.VaryingString(&e.Annotation, maxAnnotation)
	c.EndStruct(ndr.AlignPtr)
}

// MinSize is that without annotation.
func (*Entry) MinSize() int { return 28 }

// InterfaceID is RPC_IF_ID.
type InterfaceID struct {
	UUID         uuid.UUID
	Major, Minor uint16
}

// NDR names the members.
func (i *InterfaceID) NDR(c *ndr.Codec) {
	c.Struct(ndr.Align4)
	c.UUID((*[16]byte)(&i.UUID))
	c.Uint16(&i.Major)
	c.Uint16(&i.Minor)
	c.EndStruct(ndr.Align4)
}

// LookupRequest are the arguments of ept_lookup.
type LookupRequest struct {
	Inquiry      uint32
	HasObject    bool
	Object       ndr.UUID
	HasInterface bool
	Interface    InterfaceID
	Versions     uint32
	Handle       ndr.ContextHandle
	MaxEntries   uint32
}

// NDR names the parameters.
func (r *LookupRequest) NDR(c *ndr.Codec) {
	c.Uint32(&r.Inquiry)
	c.Unique(&r.HasObject, &r.Object)
	c.Unique(&r.HasInterface, &r.Interface)
	c.Uint32(&r.Versions)
	c.ContextHandle(&r.Handle)
	c.Uint32(&r.MaxEntries)
}

// LookupResponse are the results of ept_lookup.
type LookupResponse struct {
	Handle  ndr.ContextHandle
	Entries ndr.VaryingArray[Entry, *Entry]
	Status  Status
}

// NDR names the parameters.
func (r *LookupResponse) NDR(c *ndr.Codec) {
	var n uint32
	c.ContextHandle(&r.Handle)
	c.SizeIs(&n, len(r.Entries.Elem))
	c.Value(&r.Entries)
	c.Match(n, len(r.Entries.Elem))
	c.Uint32((*uint32)(&r.Status))
}

// MapRequest are the arguments of ept_map.
type MapRequest struct {
	HasObject bool
	Object    ndr.UUID
	Tower     TowerRef
	Handle    ndr.ContextHandle
	MaxTowers uint32
}

// NDR names the parameters.
func (r *MapRequest) NDR(c *ndr.Codec) {
	c.Unique(&r.HasObject, &r.Object)
	r.Tower.NDR(c)
	c.ContextHandle(&r.Handle)
	c.Uint32(&r.MaxTowers)
}

// MapResponse are the results of ept_map.
type MapResponse struct {
	Handle ndr.ContextHandle
	Towers ndr.VaryingArray[TowerRef, *TowerRef]
	Status Status
}

// NDR names the parameters.
func (r *MapResponse) NDR(c *ndr.Codec) {
	var n uint32
	c.ContextHandle(&r.Handle)
	c.SizeIs(&n, len(r.Towers.Elem))
	c.Value(&r.Towers)
	c.Match(n, len(r.Towers.Elem))
	c.Uint32((*uint32)(&r.Status))
}

// Entries are the arguments of ept_delete, and the first ones of ept_insert.
type Entries struct{ Elem ndr.Array[Entry, *Entry] }

// NDR names the parameters.
func (r *Entries) NDR(c *ndr.Codec) {
	var n uint32
	c.SizeIs(&n, len(r.Elem))
	c.Value(&r.Elem)
	c.Match(n, len(r.Elem))
}

// InsertRequest are the arguments of ept_insert.
type InsertRequest struct {
	Entries
	Replace uint32
}

// NDR names the parameters.
func (r *InsertRequest) NDR(c *ndr.Codec) {
	r.Entries.NDR(c)
	c.Uint32(&r.Replace)
}

// MgmtDeleteRequest are the arguments of ept_mgmt_delete.
type MgmtDeleteRequest struct {
	ObjectSpecified uint32
	HasObject       bool
	Object          ndr.UUID
	Tower           TowerRef
}

// NDR names the parameters.
func (r *MgmtDeleteRequest) NDR(c *ndr.Codec) {
	c.Uint32(&r.ObjectSpecified)
	c.Unique(&r.HasObject, &r.Object)
	r.Tower.NDR(c)
}

// HandleFree is what goes in, and, with the status, out of
// ept_lookup_handle_free.
type HandleFree struct{ Handle ndr.ContextHandle }

// NDR names the parameter.
func (r *HandleFree) NDR(c *ndr.Codec) { c.ContextHandle(&r.Handle) }
