// SPDX-License-Identifier: Apache-2.0

package ndr

// Types of calls that Samba serves, as tests describe them: rpcecho, srvsvc
// and lsarpc; and which stub is of which type.

import "strings"

// echoCall2 is the output of rpcecho's TestCall2: a union echo_Info and the result.
type echoCall2 struct {
	Level  uint32
	V1     uint8
	U16    uint16
	U32    uint32
	Hyper  uint64
	Status uint32
}

// echoArm is the union by itself.
type echoArm struct{ *echoCall2 }

func (x *echoCall2) NDR(c *Codec) {
	c.Value(echoArm{x})
	c.Uint32(&x.Status)
}

func (x echoArm) NDR(c *Codec) {
	c.Switch(Tag16, Align8, &x.Level)
	switch x.Level {
	case 1: // struct { uint8 v; }
		c.Struct(Align1)
		c.Uint8(&x.V1)
		c.EndStruct(Align1)
	case 2: // struct { uint16 v; }
		c.Struct(Align2)
		c.Uint16(&x.U16)
		c.EndStruct(Align2)
	case 3: // struct { uint32 v; }
		c.Struct(Align4)
		c.Uint32(&x.U32)
		c.EndStruct(Align4)
	case 4: // struct { hyper v; }
		c.Struct(Align8)
		c.Uint64(&x.Hyper)
		c.EndStruct(Align8)
	case 5, 7: // struct { uint8 v1; hyper v2; }, the latter with a structure around v2
		c.Struct(Align8)
		c.Uint8(&x.V1)
		c.Struct(Align8)
		c.Uint64(&x.Hyper)
		c.EndStruct(Align8)
		c.EndStruct(Align8)
	case 6: // struct { uint8 v1; struct { uint8 v; } }
		c.Struct(Align1)
		c.Uint8(&x.V1)
		v := uint8(x.U16)
		c.Uint8(&v)
		if !c.Referents() {
			x.U16 = uint16(v)
		}
		c.EndStruct(Align1)
	default:
		c.NoArm()
	}
}

type echoEnum struct {
	Foo1, E1 uint16
	E2       uint32
	Foo3     uint32 // switch_is of the union that follows
	Arm      uint16
}

func (x *echoEnum) NDR(c *Codec) {
	c.Enum(&x.Foo1)
	c.Value(echoEnum2{x})
	c.Value(echoEnum3{x})
}

type echoEnum2 struct{ *echoEnum } // struct { enum e1; v1_enum e2; }

func (x echoEnum2) NDR(c *Codec) {
	c.Struct(Align4)
	c.Enum(&x.E1)
	c.Uint32(&x.E2)
	c.EndStruct(Align4)
}

type echoEnum3 struct{ *echoEnum } // [switch_type(short)] union of an enum and of what no stub has

func (x echoEnum3) NDR(c *Codec) {
	c.Switch(Tag16, Align4, &x.Foo3)
	if x.Foo3 == 1 {
		c.Enum(&x.Arm)
		return
	}
	c.NoArm()
}

type echoSurrounding struct { // struct { long x; [size_is(x)] uint16 surrounding[*]; }
	X uint32
	A Array[U16, *U16]
}

func (x *echoSurrounding) Conformance(c *Codec) { x.A.Conformance(c) }

func (x *echoSurrounding) NDR(c *Codec) {
	c.Struct(Align4)
	c.Uint32(&x.X)
	c.Value(&x.A)
	c.EndStruct(Align4)
}

type surroundingCall struct{ Data echoSurrounding }

func (x *surroundingCall) NDR(c *Codec) { c.Ref(&x.Data) }

type share struct {
	Name, Comment Optional[WText, *WText]
	Type          uint32
}

func (x *share) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Value(&x.Name)
	c.Uint32(&x.Type)
	c.Value(&x.Comment)
	c.EndStruct(AlignPtr)
}

func (*share) MinSize() int { return 12 }

type shares struct {
	Count  uint32
	Has    bool
	Shares Array[share, *share]
}

func (x *shares) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.SizeIs(&x.Count, len(x.Shares))
	c.Unique(&x.Has, &x.Shares)
	c.Match(x.Count, len(x.Shares))
	c.EndStruct(AlignPtr)
}

type shareCtr struct {
	Level uint32
	Ctr1  Optional[shares, *shares]
}

func (x *shareCtr) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint32(&x.Level)
	c.SwitchIs(Tag32, AlignPtr, x.Level)
	switch x.Level {
	case 1:
		c.Value(&x.Ctr1)
	default:
		c.NoArm()
	}
	c.EndStruct(AlignPtr)
}

type shareEnum struct {
	Ctr    shareCtr
	Total  uint32
	Resume Optional[U32, *U32]
	Status uint32
}

func (x *shareEnum) NDR(c *Codec) {
	c.Ref(&x.Ctr)
	c.Uint32(&x.Total)
	c.Value(&x.Resume)
	c.Uint32(&x.Status)
}

type lsaString struct {
	Length, Size uint16
	Has          bool
	Buffer       WChars
}

func (x *lsaString) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint16(&x.Length)
	c.Uint16(&x.Size)
	c.Unique(&x.Has, &x.Buffer)
	c.EndStruct(AlignPtr)
}

func (*lsaString) MinSize() int { return 8 }

type lsaLookup struct {
	Handle ContextHandle
	N      uint32
	Names  Array[lsaString, *lsaString]
	Sids   lsaSids
	Level  uint16
	Count  uint32
}

type lsaSids struct {
	Count uint32
	SIDs  Optional[Text, *Text] // always null here
}

func (x *lsaSids) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint32(&x.Count)
	c.Value(&x.SIDs)
	c.EndStruct(AlignPtr)
}

func (x *lsaLookup) NDR(c *Codec) {
	c.ContextHandle(&x.Handle)
	c.SizeIs(&x.N, len(x.Names))
	c.Value(&x.Names)
	c.Match(x.N, len(x.Names))
	c.Value(&x.Sids)
	c.Enum(&x.Level)
	c.Uint32(&x.Count)
}

// newStub is an empty value of the stub's type.
func newStub(name string) Value {
	switch call, _, _ := strings.Cut(name, "."); call {
	case "echo_TestCall2_out":
		return new(echoCall2)
	case "echo_TestEnum_in":
		return new(echoEnum)
	case "echo_TestSurrounding_in":
		return new(surroundingCall)
	case "srvsvc_NetShareEnumAll_out":
		return new(shareEnum)
	case "lsa_LookupNames_in":
		return new(lsaLookup)
	case "epm_Lookup_in":
		return new(eptLookupIn)
	case "epm_Lookup_out":
		return new(eptLookupOut)
	case "epm_Map_in":
		return new(eptMapIn)
	case "epm_Map_out":
		return new(eptMapOut)
	}
	return nil
}
