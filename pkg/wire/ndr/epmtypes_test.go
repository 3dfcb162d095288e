// SPDX-License-Identifier: Apache-2.0

package ndr

// Types of the endpoint mapper (C706 appendix O), as tests describe them, with
// full pointers throughout.

type tower struct { // twr_t
	Length uint32
	Octets Bytes
}

func (x *tower) Conformance(c *Codec) { x.Octets.Conformance(c) }

func (x *tower) NDR(c *Codec) {
	c.Struct(Align4)
	c.SizeIs(&x.Length, len(x.Octets))
	c.Match(x.Length, len(x.Octets))
	c.Value(&x.Octets)
	c.EndStruct(Align4)
}

type towerPtr struct{ P *tower } // [ptr] twr_t *

func (x *towerPtr) NDR(c *Codec) { FullPtr(c, &x.P) }
func (*towerPtr) MinSize() int   { return 4 }

type ifID struct {
	ID           [16]byte
	Major, Minor uint16
}

func (x *ifID) NDR(c *Codec) {
	c.Struct(Align4)
	c.UUID(&x.ID)
	c.Uint16(&x.Major)
	c.Uint16(&x.Minor)
	c.EndStruct(Align4)
}

type eptLookupIn struct {
	Inquiry, Version, Max uint32
	Object                *UUID
	Interface             *ifID
	Handle                ContextHandle
}

func (x *eptLookupIn) NDR(c *Codec) {
	c.Uint32(&x.Inquiry)
	FullPtr(c, &x.Object)
	FullPtr(c, &x.Interface)
	c.Uint32(&x.Version)
	c.ContextHandle(&x.Handle)
	c.Uint32(&x.Max)
}

type eptEntry struct {
	Object     [16]byte
	Tower      towerPtr
	Annotation []byte
}

func (x *eptEntry) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.UUID(&x.Object)
	c.Value(&x.Tower)
	c.VaryingString(&x.Annotation, 64)
	c.EndStruct(AlignPtr)
}

func (*eptEntry) MinSize() int { return 28 }

type eptLookupOut struct {
	Handle  ContextHandle
	N       uint32
	Entries VaryingArray[eptEntry, *eptEntry]
	Status  uint32
}

func (x *eptLookupOut) NDR(c *Codec) {
	c.ContextHandle(&x.Handle)
	c.SizeIs(&x.N, len(x.Entries.Elem))
	c.Value(&x.Entries)
	c.Match(x.N, len(x.Entries.Elem))
	c.Uint32(&x.Status)
}

type eptMapIn struct {
	Object *UUID
	Tower  *tower
	Handle ContextHandle
	Max    uint32
}

func (x *eptMapIn) NDR(c *Codec) {
	FullPtr(c, &x.Object)
	FullPtr(c, &x.Tower)
	c.ContextHandle(&x.Handle)
	c.Uint32(&x.Max)
}

type eptMapOut struct {
	Handle ContextHandle
	N      uint32
	Towers VaryingArray[towerPtr, *towerPtr]
	Status uint32
}

func (x *eptMapOut) NDR(c *Codec) {
	c.ContextHandle(&x.Handle)
	c.SizeIs(&x.N, len(x.Towers.Elem))
	c.Value(&x.Towers)
	c.Match(x.N, len(x.Towers.Elem))
	c.Uint32(&x.Status)
}
