// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// The server of the tests: an interface with context handles, and a second one
// that must not use them.

const (
	opEcho         = iota // returns the stub
	opOpen                // returns a handle
	opUse                 // takes a handle
	opClose               // takes a handle, returns zeros
	opBig                 // takes a length, returns as many bytes
	opArray               // takes a conformant array of bytes, returns its length
	opPanic               // panics
	opWait                // blocks until told to go on
	opWaitOpen            // the same, then opens a handle
	opWaitPanic           // the same, then panics
	opCollect             // gives memory back to the system
	opRundownPanic        // opens a handle whose rundown panics
	opCaller              // returns the caller's uid and his port
	opObject              // returns the object of the request
	opCounter             // opens a handle that can be kept, of a counter
	opCount               // takes that handle, returns what it has counted up to
	opIdentity            // returns the caller's identity as text
)

var (
	testID  = dcerpc.SyntaxID{UUID: uuid.MustParse("f2c1f1f0-7d2a-4a5e-9a0c-0b7a0c5d0001"), Version: 2<<16 | 1}
	otherID = dcerpc.SyntaxID{UUID: uuid.MustParse("f2c1f1f0-7d2a-4a5e-9a0c-0b7a0c5d0002"), Version: 1}

	presentTest  = dcerpc.Presentation{ID: 0, Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}
	presentOther = dcerpc.Presentation{ID: 1, Abstract: otherID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}
)

// thing is what a handle of the test interface stands for. Its number goes to
// ran when it is run down.
type thing struct {
	number uint32
	ran    chan<- uint32
}

func (t *thing) Rundown() { t.ran <- t.number }

type bomb struct{}

func (bomb) Rundown() { panic("on purpose") }

// testHooks are how a test sees and steers the operations.
type testHooks struct {
	ran  chan uint32
	wait chan struct{} // a value lets one blocking operation go on
	runs chan struct{} // a value for each that began to wait
}

// counter is a value that can be kept.
type counter struct{ n uint32 }

func (c *counter) Snapshot() ([]byte, error) { return number(c.n), nil }

func restoreCounter(state []byte) (any, error) {
	if len(state) != 4 {
		return nil, errors.New("no counter")
	}
	return &counter{binary.LittleEndian.Uint32(state)}, nil
}

func openCounter(c *Call) dcerpc.Status {
	handle, ok := c.NewHandle(&counter{c.In.Uint32()})
	if !ok {
		return dcerpc.NcaServerTooBusy
	}
	c.Out.ContextHandle(handle)
	return 0
}

func countOn(c *Call) dcerpc.Status {
	v, status := Handle[*counter](c, c.In.ContextHandle())
	if status == 0 {
		v.n++
		c.HandleChanged()
		c.Out.Uint32(v.n)
	}
	return status
}

func use(c *Call) dcerpc.Status {
	v, status := Handle[*thing](c, c.In.ContextHandle())
	if status == 0 {
		c.Out.Uint32(v.number)
	}
	return status
}

func closeThing(c *Call) dcerpc.Status {
	handle := c.In.ContextHandle()
	if _, status := Handle[*thing](c, handle); status != 0 {
		return status
	}
	c.DropHandle(handle)
	c.Out.ContextHandle(ndr.ContextHandle{})
	return 0
}

func (h *testHooks) open(c *Call) dcerpc.Status {
	handle, ok := c.NewHandle(&thing{c.In.Uint32(), h.ran})
	if !ok {
		return dcerpc.NcaServerTooBusy
	}
	c.Out.ContextHandle(handle)
	return 0
}

// block is what the blocking operations do first.
func (h *testHooks) block() {
	h.runs <- struct{}{}
	<-h.wait
}

func echoStub(c *Call) dcerpc.Status {
	c.Out.Octets(c.In.Octets(c.In.Left()))
	return 0
}

func big(c *Call) dcerpc.Status {
	n := c.In.Uint32()
	if n > 16<<20 {
		return dcerpc.NcaOutArgsTooBig
	}
	c.Out.Octets(make([]byte, n))
	return 0
}

func array(c *Call) dcerpc.Status {
	n := c.In.Count(1)
	c.In.Octets(n)
	c.Out.Uint32(uint32(n))
	return 0
}

func panics(*Call) dcerpc.Status { panic("on purpose") }

func rundownPanics(c *Call) dcerpc.Status {
	handle, _ := c.NewHandle(bomb{})
	c.Out.ContextHandle(handle)
	return 0
}

func tellCaller(c *Call) dcerpc.Status {
	c.Out.Uint32(c.Caller().Cred.Uid)
	c.Out.Uint16(c.Caller().Remote.Port())
	c.Out.Bool(c.Caller().Session != nil)
	c.Out.Bool(c.Caller().Anonymous())
	return 0
}

func (h *testHooks) ops() []Op {
	return []Op{
		opEcho: {Name: "Echo", Run: echoStub}, opOpen: {Name: "Open", Run: h.open}, opUse: {Name: "Use", Run: use},
		opClose: {Name: "Close", Run: closeThing}, opBig: {Name: "Big", Run: big}, opArray: {Name: "Array", Run: array},
		opPanic:        {Name: "Panic", Run: panics},
		opWait:         {Name: "Wait", Blocking: true, Run: func(c *Call) dcerpc.Status { h.block(); c.Out.Uint32(1); return 0 }},
		opWaitOpen:     {Name: "WaitOpen", Blocking: true, Run: func(c *Call) dcerpc.Status { h.block(); return h.open(c) }},
		opWaitPanic:    {Name: "WaitPanic", Blocking: true, Run: func(c *Call) dcerpc.Status { h.block(); return panics(c) }},
		opCollect:      {Name: "Collect", Run: func(*Call) dcerpc.Status { debug.FreeOSMemory(); return 0 }},
		opRundownPanic: {Name: "RundownPanic", Run: rundownPanics}, opCaller: {Name: "Caller", Run: tellCaller},
		opObject:  {Name: "Object", Run: func(c *Call) dcerpc.Status { c.Out.UUID(c.Object); return 0 }},
		opCounter: {Name: "Counter", Run: openCounter}, opCount: {Name: "Count", Run: countOn},
		opIdentity: {Name: "Identity", Run: func(c *Call) dcerpc.Status { c.Out.Octets(fmt.Append(nil, c.Caller())); return 0 }},
	}
}

func newTestServer() (*Server, *testHooks) {
	h := &testHooks{ran: make(chan uint32, 16), wait: make(chan struct{}), runs: make(chan struct{}, 16)}
	return &Server{Name: "test", Interfaces: []*Interface{
		{
			UUID: testID.UUID, Major: 1, Minor: 2, Name: "test",
			Bindings: []binding.Binding{{Protseq: binding.NP, Endpoint: `\pipe\test`}, {Protseq: binding.TCP}, {Protseq: binding.Ncalrpc, Endpoint: "TEST"}},
			Restore:  restoreCounter,
			Ops:      h.ops(),
		},
		{
			UUID: otherID.UUID, Major: 1, Name: "other",
			Bindings: []binding.Binding{{Protseq: binding.TCP}},
			Ops:      []Op{0: {Name: "Use", Run: use}},
		},
	}}, h
}

// number is a stub of one 32-bit number.
func number(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
