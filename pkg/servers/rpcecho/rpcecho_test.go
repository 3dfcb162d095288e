// SPDX-License-Identifier: Apache-2.0

package rpcecho

import (
	"bytes"
	"encoding/hex"
	"testing"

	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/listing"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/tests/tools/check"
)

var formats = map[string]ndr.Format{"le": 0, "be": ndr.BigEndian, "64": ndr.NDR64, "be64": ndr.BigEndian | ndr.NDR64}

// call runs an operation on a stub as a server does.
func call(op *rpcd.Op, stub []byte, f ndr.Format) ([]byte, dcerpc.Status) {
	var c rpcd.Call
	c.In.Reset(stub, f)
	c.Out.Reset(nil, f)
	status := op.Run(&c)
	if status == 0 && c.Out.Err() != nil {
		status = dcerpc.NcaOutArgsTooBig
	}
	return c.Out.Bytes(), status
}

func operation(t *testing.T, name string) *rpcd.Op {
	t.Helper()
	for i := range ops() {
		if op := &ops()[i]; op.Name == name {
			return op
		}
	}
	t.Fatalf("no operation %s", name)
	return nil
}

func ops() []rpcd.Op { return Server().Interfaces[0].Ops }

var operations = []struct {
	op, format, in, out string
	status              dcerpc.Status
}{
	{op: "AddOne", format: "le", in: "29000000", out: "2a000000"},
	{op: "AddOne", format: "be", in: "00000029", out: "0000002a"},
	{op: "AddOne", format: "64", in: "29000000", out: "2a000000"},
	{op: "AddOne", format: "le", in: "ffffffff", out: "00000000"},
	{op: "AddOne", format: "le", in: "290000", status: dcerpc.FaultBadStubData},
	{op: "AddOne", format: "le", in: "2900000000", out: "2a000000"}, // what follows is ignored,
	{op: "EchoData", format: "le", in: "0300000003000000010203", out: "03000000010203"},
	{op: "EchoData", format: "be", in: "0000000300000003010203", out: "00000003010203"},
	{op: "EchoData", format: "64", in: "03000000000000000300000000000000010203", out: "0300000000000000010203"},
	{op: "EchoData", format: "le", in: "0000000000000000", out: "00000000"},
	{op: "EchoData", format: "le", in: "0200000003000000010203", status: dcerpc.FaultBadStubData},
	{op: "EchoData", format: "le", in: "ffffffffffffffff010203", status: dcerpc.FaultBadStubData},
	{op: "SinkData", format: "le", in: "0300000003000000010203"},
	{op: "SinkData", format: "64", in: "03000000000000000300000000000000010203"},
	{op: "SinkData", format: "le", in: "0300000003000000", status: dcerpc.FaultBadStubData},
	{op: "SourceData", format: "le", in: "05000000", out: "050000000001020304"},
	{op: "SourceData", format: "be", in: "00000005", out: "000000050001020304"},
	{op: "SourceData", format: "64", in: "05000000", out: "05000000000000000001020304"},
	{op: "SourceData", format: "le", in: "01004000", status: dcerpc.NcaOutArgsTooBig},
	{op: "SourceData", format: "le", in: "ffffffff", status: dcerpc.NcaOutArgsTooBig},
	{op: "TestCall", format: "le", in: "0d000000000000000d00000069006e00700075007400200073007400720069006e0067000000",
		out: "000002000d000000000000000d00000069006e00700075007400200073007400720069006e0067000000"},
	{op: "TestCall", format: "be", in: "0000000d000000000000000d0069006e00700075007400200073007400720069006e00670000",
		out: "000200000000000d000000000000000d0069006e00700075007400200073007400720069006e00670000"},
	{op: "TestCall", format: "64", in: "0d0000000000000000000000000000000d0000000000000069006e00700075007400200073007400720069006e0067000000",
		out: "00000200000000000d0000000000000000000000000000000d0000000000000069006e00700075007400200073007400720069006e0067000000"},
	{op: "TestCall", format: "le", in: "010000000000000001000000" + "4100", status: dcerpc.FaultBadStubData},
	{op: "TestCall2", format: "le", in: "0100", out: "01000a0000000000"},
	{op: "TestCall2", format: "le", in: "0200", out: "0200140000000000"},
	{op: "TestCall2", format: "be", in: "0002", out: "0002001400000000"},
	{op: "TestCall2", format: "le", in: "0300", out: "030000001e00000000000000"},
	{op: "TestCall2", format: "64", in: "0300", out: "03000000000000001e00000000000000"},
	{op: "TestCall2", format: "le", in: "0400", out: "0400000000000000280000000000000000000000"},
	{op: "TestCall2", format: "le", in: "0500", out: "050000000000000032000000000000003c0000000000000000000000"},
	{op: "TestCall2", format: "le", in: "0600", out: "0600465000000000"},
	{op: "TestCall2", format: "64", in: "0600", out: "06000000000000004650000000000000"},
	{op: "TestCall2", format: "le", in: "0700", out: "070000000000000050000000000000005a0000000000000000000000"},
	{op: "TestCall2", format: "be", in: "0007", out: "00070000000000005000000000000000000000000000005a00000000"},
	{op: "TestCall2", format: "le", in: "0000", status: dcerpc.FaultInvalidTag},
	{op: "TestCall2", format: "le", in: "0800", status: dcerpc.FaultInvalidTag},
	{op: "TestSleep", format: "le", in: "00000000", out: "00000000"},
	{op: "TestSleep", format: "le", in: "", status: dcerpc.FaultBadStubData},
	{op: "TestEnum", format: "le", in: "01000000010000000200000001000200", out: "01000000020000000200000001000200"},
	{op: "TestEnum", format: "be", in: "00010000000100000000000200010002", out: "00010000000200000000000200010002"},
	{op: "TestEnum", format: "64", in: "0100000001000000020000000100000002000000", out: "0100000002000000020000000100000002000000"},
	{op: "TestEnum", format: "be64", in: "0000000100000001000000020001000000000002", out: "0000000100000002000000020001000000000002"},
	{op: "TestEnum", format: "le", in: "020000000100000002000000020000000300000009000000", out: "020000000200000002000000020000000300000009000000"},
	{op: "TestEnum", format: "be64", in: "000000020000000100000002000200000000000300000009", out: "000000020000000200000002000200000000000300000009"},
	{op: "TestEnum", format: "le", in: "01000000010000000200000002000200", status: dcerpc.FaultBadStubData},
	{op: "TestSurrounding", format: "le", in: "0300000003000000010002000300", out: "0600000006000000000000000000000000000000"},
	{op: "TestSurrounding", format: "be", in: "0000000300000003000100020003", out: "0000000600000006000000000000000000000000"},
	{op: "TestSurrounding", format: "64", in: "0300000000000000030000000100020003000000", out: "060000000000000006000000000000000000000000000000"},
	{op: "TestSurrounding", format: "le", in: "0300000002000000010002000300", status: dcerpc.FaultBadStubData},
	{op: "TestSurrounding", format: "le", in: "ffffff7fffffff7f010002000300", status: dcerpc.FaultBadStubData},
	{op: "TestDoublePointer", format: "le", in: "00000200040002000c00", out: "0c00"},
	{op: "TestDoublePointer", format: "be", in: "0002000000020004000c", out: "000c"},
	{op: "TestDoublePointer", format: "64", in: "000002000000000004000200000000000c00", out: "0c00"},
	{op: "TestDoublePointer", format: "le", in: "0000020000000000", out: "0000"},
	{op: "TestDoublePointer", format: "le", in: "00000000", out: "0000"},
}

// The stubs are as Samba 4.17.12 writes them (python3-samba, samba.ndr), but
// for TestDoublePointer's and those that are wrong.
func TestOperations(t *testing.T) {
	for _, tt := range operations {
		in, err := hex.DecodeString(tt.in)
		check.OK(t, err)
		out, status := call(operation(t, tt.op), in, formats[tt.format])
		if status != 0 {
			out = nil
		}
		if status != tt.status || hex.EncodeToString(out) != tt.out {
			t.Errorf("%s %s of %s:\n%x, status %v; want\n%s, status %v", tt.op, tt.format, tt.in, out, status, tt.out, tt.status)
		}
	}
}

// What is listed can be read, and names everything that is served.
func TestListing(t *testing.T) {
	s := Server()
	i := s.Interfaces[0]
	text := "1\n60\n60a15ec5-4de8-11d7-a637-005056a20182/0x00000001 rpcecho\n ncacn_np:[\\pipe\\rpcecho]\n ncacn_ip_tcp:\n ncalrpc:\n"
	l, err := listing.Parse([]byte(text))
	if err != nil || len(l.Interfaces) != 1 || l.Interfaces[0].UUID != i.UUID || len(l.Interfaces[0].Bindings) != len(i.Bindings) {
		t.Errorf("%+v, %v", l, err)
	}
	if len(i.Ops) != 10 {
		t.Errorf("%d operations, the interface has 10", len(i.Ops))
	}
}

func FuzzOperations(f *testing.F) {
	f.Add(uint8(1), uint8(0), []byte("\x03\x00\x00\x00\x03\x00\x00\x00abc"))
	f.Add(uint8(7), uint8(2), bytes.Repeat([]byte{1, 0, 0, 0}, 5))
	f.Add(uint8(8), uint8(1), []byte("\x00\x00\x00\x01\x00\x00\x00\x01ab"))
	f.Fuzz(func(t *testing.T, opnum, format uint8, stub []byte) {
		all := ops()
		op := &all[int(opnum)%len(all)]
		if op.Blocking {
			return
		}
		out, _ := call(op, stub, ndr.Format(format&3))
		if op.Name != "SourceData" && len(out) > 2*len(stub)+64 {
			t.Errorf("%s: %d bytes make %d", op.Name, len(stub), len(out))
		}
	})
}
