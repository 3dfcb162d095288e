// SPDX-License-Identifier: Apache-2.0

package rpcecho

import (
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
)

// addOne adds 1 to a number.
//
//	void AddOne([in] unsigned long in_data, [out] unsigned long *out_data);
func addOne(c *rpcd.Call) dcerpc.Status {
	v := c.In.Uint32()
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	c.Out.Uint32(v + 1)
	return 0
}

// sized reads a length and the array of that length. The array has its size
// once more, and the two must agree.
func sized(c *rpcd.Call) (data []byte, ok bool) {
	size := c.In.Uint32()
	n := c.In.Count(1)
	data = c.In.Octets(n)
	return data, c.In.Err() == nil && uint64(n) == uint64(size)
}

// echoData returns an array.
//
//	void EchoData([in] unsigned long len,
//	              [in,size_is(len)] byte in_data[], [out,size_is(len)] byte out_data[]);
func echoData(c *rpcd.Call) dcerpc.Status {
	data, ok := sized(c)
	if !ok {
		return dcerpc.FaultBadStubData
	}
	c.Out.Count(len(data))
	c.Out.Octets(data)
	return 0
}

// sinkData takes an array.
//
//	void SinkData([in] unsigned long len, [in,size_is(len)] byte data[]);
func sinkData(c *rpcd.Call) dcerpc.Status {
	if _, ok := sized(c); !ok {
		return dcerpc.FaultBadStubData
	}
	return 0
}

// sourceData makes an array that counts from 0 to 255, over and over.
//
//	void SourceData([in] unsigned long len, [out,size_is(len)] byte data[]);
func sourceData(c *rpcd.Call) dcerpc.Status {
	n := c.In.Uint32()
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	if n > maxArray {
		return dcerpc.NcaOutArgsTooBig
	}
	c.Out.Count(int(n))
	for i := range n {
		c.Out.Uint8(uint8(i))
	}
	return 0
}

// testCall returns a string behind a pointer.
//
//	void TestCall([in,string] wchar_t *s1, [out,string] wchar_t **s2);
func testCall(c *rpcd.Call) dcerpc.Status {
	s := c.In.WString()
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	c.Out.Unique(true)
	c.Out.WString(s)
	return 0
}

// testDoublePointer returns the number that a pointer to a pointer to a pointer
// ends at, 0 when one of the two that may be null is. Parameters' referents
// follow at once.
//
//	unsigned short TestDoublePointer([in] unsigned short ***data);
func testDoublePointer(c *rpcd.Call) dcerpc.Status {
	var v uint16
	if c.In.Unique() { // the outer pointer
		if c.In.Unique() { // the inner one
			v = c.In.Uint16()
		}
	}
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	c.Out.Uint16(v)
	return 0
}

// answer reads the parameters in, lets f make the results of them, and writes
// those: the way of operations whose types are described as values.
func answer(c *rpcd.Call, in, out ndr.Value, f func() dcerpc.Status) dcerpc.Status {
	c.In.Params(in)
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	if status := f(); status != 0 {
		return status
	}
	c.Out.Params(out)
	return 0
}
