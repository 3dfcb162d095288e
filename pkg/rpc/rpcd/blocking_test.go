// SPDX-License-Identifier: Apache-2.0

package rpcd

// Operations that block: what goes on meanwhile, and how many there can be.

import (
	"bytes"
	"testing"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

func TestBlockingOperationHoldsUpOnlyItsConnection(t *testing.T) {
	r := newRig(t).start()
	other := r.bound(layout.TCP, 0)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		c.send(append(c.request(opWait, nil), c.request(opEcho, []byte("next"))...))
		<-r.hooks.runs
		for range 100 {
			other.works()
		}
		r.hooks.wait <- struct{}{}
		if got, status := c.answer(); !bytes.Equal(got, number(1)) || status != 0 {
			t.Errorf("blocking call: %x, %v", got, status)
		}
		if got, status := c.answer(); string(got) != "next" || status != 0 {
			t.Errorf("the call after it: %q, %v", got, status)
		}
		c.send(c.request(opWaitPanic, nil))
		<-r.hooks.runs
		r.hooks.wait <- struct{}{}
		if _, status := c.answer(); status != dcerpc.NcaUnspec {
			t.Errorf("blocking call that panics: %v", status)
		}
		c.works()
	})
}

// A client that asked for concurrent multiplexing has several calls served at
// once, and what does not block meanwhile.
func TestCallsOverlapWithMultiplexing(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.dial(tr)
		c.h.Flags |= dcerpc.FlagMultiplex
		c.exchange(c.bind(0, presentTest))
		c.h.Flags &^= dcerpc.FlagMultiplex
		answered := map[uint32]bool{}
		for range maxConcurrent {
			c.send(c.request(opWait, nil))
			answered[c.h.CallID] = false
			<-r.hooks.runs
		}
		c.send(c.request(opEcho, nil)) // one too many: it has to wait
		for i := range maxConcurrent + 1 {
			if i < maxConcurrent {
				r.hooks.wait <- struct{}{}
			}
			p, err := c.receive()
			if err != nil || p.Type != dcerpc.PTypeResponse {
				t.Fatalf("%s, %v", dcerpc.TypeName(p.Type), err)
			}
			answered[p.CallID] = true
		}
		for id, ok := range answered {
			if !ok {
				t.Errorf("call %d has no answer", id)
			}
		}
		c.send(append(c.request(opWait, nil), c.request(opEcho, nil)...))
		if p, err := c.receive(); err != nil || p.CallID != c.h.CallID {
			t.Errorf("call %d is answered first, %v; want the one that does not block", p.CallID, err)
		}
		c.send(c.request(opWaitOpen, number(4)))
		<-r.hooks.runs
		<-r.hooks.runs
		c.Close()
		r.hooks.wait <- struct{}{}
		r.hooks.wait <- struct{}{}
		r.ranDown(4)
	})
}

// More is pipelined behind a blocking call than is read at once.
func TestMuchBehindABlockingCall(t *testing.T) {
	r := newRig(t).start()
	c := r.bound(layout.TCP, 0)
	c.send(c.request(opWait, nil))
	<-r.hooks.runs
	const n = 200
	var calls []byte
	for range n {
		calls = append(calls, c.request(opEcho, noise(5000))...)
		calls = append(calls, c.request(opWait, nil)...)
	}
	go c.Write(calls)
	r.hooks.wait <- struct{}{}
	for i := range n {
		if got, _ := c.answer(); !bytes.Equal(got, number(1)) {
			t.Fatalf("blocking call %d: %x", i, got)
		}
		if got, _ := c.answer(); len(got) != 5000 {
			t.Fatalf("call %d: %d bytes", i, len(got))
		}
		<-r.hooks.runs
		r.hooks.wait <- struct{}{}
	}
	c.answer()
	c.works()
}

func TestTooManyBlockingOperations(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Blocking].Address = 2
	r.start()
	var clients []*client
	for range 2 {
		c := r.bound(layout.TCP, 0)
		c.send(c.request(opWait, nil))
		<-r.hooks.runs
		clients = append(clients, c)
	}
	c := r.bound(layout.TCP, 0)
	c.fault(c.request(opWait, nil), dcerpc.NcaServerTooBusy)
	c.works()
	for _, c := range clients {
		r.hooks.wait <- struct{}{}
		if _, status := c.answer(); status != 0 {
			t.Error(status)
		}
	}
	c.send(c.request(opWait, nil))
	<-r.hooks.runs
	r.hooks.wait <- struct{}{}
	if _, status := c.answer(); status != 0 {
		t.Error(status)
	}
}

// A blocking operation learns that its client has gone.
func TestGoneIsTold(t *testing.T) {
	r := newRig(t)
	told := make(chan string)
	ops := &r.srv.Interfaces[0].Ops
	*ops = append(*ops, Op{Name: "Gone", Blocking: true, Run: func(c *Call) dcerpc.Status {
		told <- "runs"
		<-c.Gone()
		told <- "gone"
		return 0
	}})
	r.start()
	c := r.bound(layout.TCP, 0)
	c.send(c.request(uint16(len(*ops)-1), nil))
	for _, want := range []string{"runs", "gone"} {
		check.Is(t, "operation", want, <-told)
		c.Close()
	}
}
