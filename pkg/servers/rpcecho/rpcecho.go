// SPDX-License-Identifier: Apache-2.0

package rpcecho

import (
	"time"

	"msrpcd/pkg/rpc/auth/authd"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// UUID and Major are the interface's id, its minor version is 0.
var UUID = uuid.MustParse("60a15ec5-4de8-11d7-a637-005056a20182")

// Major is the major version.
const Major = 1

// maxArray is the longest array that is sent, in bytes. Requests have the same
// bound, see rpcd.Limits.
const maxArray = 4 << 20

// Server is the rpcd rpcecho.
func Server() *rpcd.Server {
	return &rpcd.Server{
		Name: "rpcecho", Workers: 1, IdleSec: 60, Auth: authd.Host(),
		Interfaces: []*rpcd.Interface{{
			UUID: UUID, Major: Major, Name: "rpcecho",
			Bindings: []binding.Binding{
				{Protseq: binding.NP, Endpoint: `\pipe\rpcecho`},
				{Protseq: binding.TCP},
				{Protseq: binding.Ncalrpc},
			},
			Ops: []rpcd.Op{
				0: {Name: "AddOne", Run: addOne},
				1: {Name: "EchoData", Run: echoData},
				2: {Name: "SinkData", Run: sinkData},
				3: {Name: "SourceData", Run: sourceData},
				4: {Name: "TestCall", Run: testCall},
				5: {Name: "TestCall2", Run: testCall2},
				6: {Name: "TestSleep", Run: testSleep, Blocking: true},
				7: {Name: "TestEnum", Run: testEnum},
				8: {Name: "TestSurrounding", Run: testSurrounding},
				9: {Name: "TestDoublePointer", Run: testDoublePointer},
			},
		}},
	}
}

// testSleep waits that many seconds and returns their number.
//
//	unsigned long TestSleep([in] unsigned long seconds);
func testSleep(c *rpcd.Call) dcerpc.Status {
	seconds := c.In.Uint32()
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	t := time.NewTimer(time.Duration(seconds) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.Gone(): // no client waits for the answer
	}
	c.Out.Uint32(seconds)
	return 0
}
