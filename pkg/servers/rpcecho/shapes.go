// SPDX-License-Identifier: Apache-2.0

package rpcecho

import (
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
)

// info is a union of seven structures, the discriminant of which is a short.
type info struct {
	Level uint16
	V     uint64 // v of 1 to 4, v1 of the others
	V2    uint64 // v2 of 5, v of the structure inside 6 and 7
}

// NDR names the discriminant and the arm.
func (x *info) NDR(c *ndr.Codec) {
	level := uint32(x.Level)
	c.Switch(ndr.Tag16, ndr.Align8, &level)
	x.Level = uint16(level)
	switch x.Level {
	case 1: // struct { byte v; }
		narrow(c.Uint8, &x.V)
	case 2: // struct { short v; }
		narrow(c.Uint16, &x.V)
	case 3: // struct { long v; }
		narrow(c.Uint32, &x.V)
	case 4: // struct { hyper v; }
		c.Struct(ndr.Align8)
		c.Uint64(&x.V)
		c.EndStruct(ndr.Align8)
	case 5, 7: // struct { byte v1; hyper v2; }, in 7 the latter in a structure
		c.Struct(ndr.Align8)
		narrow(c.Uint8, &x.V)
		c.Uint64(&x.V2)
		c.EndStruct(ndr.Align8)
	case 6: // struct { byte v1; struct { byte v; } info1; }
		narrow(c.Uint8, &x.V)
		narrow(c.Uint8, &x.V2)
	default:
		c.NoArm()
	}
}

// narrow names a smaller integer that is kept in a larger one.
func narrow[T uint8 | uint16 | uint32](name func(*T), v *uint64) {
	n := T(*v)
	name(&n)
	*v = uint64(n)
}

// call2 is what TestCall2 returns.
type call2 struct {
	Info   info
	Status uint32
}

// NDR names the results.
func (x *call2) NDR(c *ndr.Codec) {
	c.Ref(&x.Info)
	c.Uint32(&x.Status)
}

// testCall2 returns the arm of a union that it is asked for, with one of the
// numbers 10 to 90 in each member. An arm that does not exist is a fault: there
// is no way to write it.
//
//	NTSTATUS TestCall2([in] unsigned short level, [out,switch_is(level)] union info *info);
func testCall2(c *rpcd.Call) dcerpc.Status {
	level := c.In.Uint16()
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	numbers := [...][2]uint64{1: {10}, {20}, {30}, {40}, {50, 60}, {70, 80}, {80, 90}}
	if level == 0 || int(level) >= len(numbers) {
		return dcerpc.FaultInvalidTag
	}
	c.Out.Params(&call2{Info: info{level, numbers[level][0], numbers[level][1]}})
	return 0
}

// The two values that an enum has in TestEnum. Others are taken, too.
const (
	enum1 = 1
	enum2 = 2
)

// enums are the parameters of TestEnum, in and out.
type enums struct {
	Foo1 uint16
	Foo2 foo2
	Foo3 foo3
}

// NDR names the parameters. That foo3 is switched by foo1 shows only here: the
// discriminant comes once more.
func (x *enums) NDR(c *ndr.Codec) {
	c.Enum(&x.Foo1)
	c.Ref(&x.Foo2)
	x.Foo3.level = x.Foo1
	c.Ref(&x.Foo3)
}

// foo2 has an enum of either size.
type foo2 struct {
	E1 uint16
	E2 uint32
}

// NDR names the members.
func (x *foo2) NDR(c *ndr.Codec) {
	c.Struct(ndr.Align4)
	c.Enum(&x.E1)
	c.Uint32(&x.E2)
	c.EndStruct(ndr.Align4)
}

// foo3 is a union with [switch_type(short)]: 2 bytes in NDR64, too, where an
// enum has 4.
type foo3 struct {
	level uint16
	E1    uint16 // of enum1
	E2    foo2   // of enum2
}

// NDR names the arm.
func (x *foo3) NDR(c *ndr.Codec) {
	c.SwitchIs(ndr.Tag16, ndr.Align4, uint32(x.level))
	switch x.level {
	case enum1:
		c.Enum(&x.E1)
	case enum2:
		c.Value(&x.E2)
	default:
		c.NoArm()
	}
}

// testEnum sets foo2.e1 and returns the rest as it was.
//
//	void TestEnum([in,out] enum1 *foo1, [in,out] enum2 *foo2,
//	              [in,out,switch_is(*foo1)] union enum3 *foo3);
func testEnum(c *rpcd.Call) dcerpc.Status {
	var p enums
	return answer(c, &p, &p, func() dcerpc.Status {
		p.Foo2.E1 = enum2
		return 0
	})
}

// surrounding is a structure that ends in an array: the count of the array
// comes first of all.
type surrounding struct {
	X    uint32
	Data ndr.Array[ndr.U16, *ndr.U16]
}

// Conformance names the count.
func (x *surrounding) Conformance(c *ndr.Codec) { x.Data.Conformance(c) }

// NDR names the members.
func (x *surrounding) NDR(c *ndr.Codec) {
	c.Struct(ndr.Align4)
	c.SizeIs(&x.X, len(x.Data))
	c.Value(&x.Data)
	if c.Reading() && int64(x.X) != int64(len(x.Data)) {
		c.Fail("surrounding", ndr.ErrCount)
	}
	c.EndStruct(ndr.Align4)
}

// surroundings is the one parameter of TestSurrounding.
type surroundings struct{ Data surrounding }

// NDR names the parameter.
func (x *surroundings) NDR(c *ndr.Codec) { c.Ref(&x.Data) }

// testSurrounding returns twice as many zeros as it was given numbers.
//
//	struct surrounding { long x; [size_is(x)] short surrounding[]; };
//	void TestSurrounding([in,out] struct surrounding *data);
func testSurrounding(c *rpcd.Call) dcerpc.Status {
	var in, out surroundings
	return answer(c, &in, &out, func() dcerpc.Status {
		out.Data.Data = make([]ndr.U16, 2*len(in.Data.Data))
		return 0
	})
}
