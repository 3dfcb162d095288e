// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"testing"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// open opens a handle with a number.
func (c *client) open(n uint32) []byte {
	c.t.Helper()
	handle, status := c.call(opOpen, number(n))
	if len(handle) != 20 || bytes.Equal(handle, make([]byte, 20)) || status != 0 {
		c.t.Fatalf("handle %x, %v", handle, status)
	}
	return handle
}

// use checks that a handle stands for a number.
func (c *client) use(handle []byte, n uint32) {
	c.t.Helper()
	if got, status := c.call(opUse, handle); !bytes.Equal(got, number(n)) || status != 0 {
		c.t.Errorf("handle stands for %x, %v; want %d", got, status, n)
	}
}

// ranDown waits for the next rundown and checks whose it is.
func (r *rig) ranDown(n uint32) {
	r.t.Helper()
	select {
	case got := <-r.hooks.ran:
		check.Is(r.t, "ran down", n, got)
	case <-time.After(10 * time.Second):
		r.t.Fatalf("%d did not run down", n)
	}
}

// stillUp checks that nothing has run down.
func (r *rig) stillUp() {
	r.t.Helper()
	select {
	case n := <-r.hooks.ran:
		r.t.Errorf("%d ran down too early", n)
	default:
	}
}

func TestHandlesAreSharedInTheirGroupAlone(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		first := r.bound(tr, 0)
		second, stranger := r.bound(tr, first.group), r.bound(tr, 0)
		handle := first.open(7)
		first.use(handle, 7)
		second.use(handle, 7)
		stranger.fault(stranger.request(opUse, handle), dcerpc.NcaContextMismatch)
		stranger.works()

		// The last connection of the group runs it down, not the one that made it.
		first.Close()
		second.use(handle, 7)
		r.stillUp()
		second.Close()
		r.ranDown(7)
		late := r.dial(tr)
		late.naked(late.bind(second.group, presentTest), dcerpc.ReasonNotSpecified)
	})
}

func TestHandlesThatAreNone(t *testing.T) {
	r := newRig(t).start()
	c := r.bound(layout.TCP, 0)
	handle := c.open(1)
	c.exchange(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentOther}))
	changed := bytes.Clone(handle)
	changed[19] ^= 1
	attributes := bytes.Clone(handle)
	attributes[0] = 1
	bomb, _ := c.call(opRundownPanic, nil)
	for _, tt := range []struct {
		name string
		pdu  []byte
	}{
		{"zero", c.request(opUse, make([]byte, 20))},
		{"unknown", c.request(opUse, changed)},
		{"with attributes", c.request(opUse, attributes)},
		{"of another interface", c.requestIn(1, 0, handle)},
		{"of another type", c.request(opUse, bomb)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.fault(tt.pdu, dcerpc.NcaContextMismatch)
			c.use(handle, 1)
		})
	}
	if zero, status := c.call(opClose, handle); !bytes.Equal(zero, make([]byte, 20)) || status != 0 {
		t.Errorf("close: %x, %v", zero, status)
	}
	c.fault(c.request(opUse, handle), dcerpc.NcaContextMismatch)
	r.stillUp()
}

func TestTooManyHandles(t *testing.T) {
	r := newRig(t)
	r.srv.Limits.Handles = 3
	r.start()
	c := r.bound(layout.TCP, 0)
	second := r.bound(layout.TCP, c.group)
	for i := range uint32(3) {
		c.open(i)
	}
	second.fault(second.request(opOpen, number(9)), dcerpc.NcaServerTooBusy)
	r.bound(layout.TCP, 0).open(9)
}

// The client goes while a blocking operation runs, which makes a handle then.
func TestHandleOfAClientThatHasGoneIsRunDown(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		c.open(1)
		c.send(c.request(opWaitOpen, number(2)))
		<-r.hooks.runs
		c.Close()
		r.bound(tr, 0).works()
		r.stillUp()
		r.hooks.wait <- struct{}{}
		got := map[uint32]bool{<-r.hooks.ran: true, <-r.hooks.ran: true}
		if !got[1] || !got[2] {
			t.Errorf("ran down: %v", got)
		}
	})
}

func TestRundownThatPanicsHarmsNobody(t *testing.T) {
	r := newRig(t).start()
	other, c := r.bound(layout.TCP, 0), r.bound(layout.TCP, 0)
	c.call(opRundownPanic, nil)
	c.open(5)
	c.Close()
	r.ranDown(5)
	other.works()
}

// The id of a group has the index of the worker in its high bits.
func TestGroupsHaveIDsOfTheirOwn(t *testing.T) {
	r := newRig(t).start()
	seen := map[uint32]bool{}
	for range 200 {
		c := r.bound(layout.Ncalrpc, 0)
		if seen[c.group] || c.group>>16 != 3 || c.group&0xffff == 0 {
			t.Fatalf("group %08x", c.group)
		}
		seen[c.group] = true
	}
}
