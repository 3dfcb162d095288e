// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// boundFrom is a client of another address, in a group or, with 0, a new one.
func (r *rig) boundFrom(ip string, group uint32) *client {
	r.t.Helper()
	c := r.dialFrom(ip)
	p := c.exchange(c.bind(group, presentTest))
	ack, _, rej := dcerpc.ParseBindAck(p)
	if rej != nil {
		r.t.Fatalf("answer to a bind from %s: %s", ip, dcerpc.TypeName(p.Type))
	}
	c.group = ack.AssocGroup
	return c
}

func TestASourceHasItsShareOfBoundConnections(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Bound] = source.Limit{Total: 100, Address: 5}
	r.start()
	other := r.boundFrom("127.0.0.2", 0)
	var flood []*client
	for range 20 {
		flood = append(flood, r.boundFrom("127.0.0.3", 0))
		if len(flood) > 1 {
			flood[0].works() // it is never the one that is idle the longest
		}
	}
	for _, c := range flood[1:16] {
		c.over()
	}
	for _, c := range append(flood[16:], flood[0], other, r.bound(layout.Ncalrpc, 0), r.bound(layout.NP, 0)) {
		c.works()
	}
}

func TestTheLargestHolderOfConnectionsMakesRoom(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Bound] = source.Limit{Total: 10}
	r.start()
	var many, others []*client
	for range 8 {
		many = append(many, r.boundFrom("127.0.0.3", 0))
	}
	for range 2 {
		others = append(others, r.boundFrom("127.0.0.2", 0))
	}
	for _, ip := range []string{"127.0.0.4", "127.0.0.5", "127.0.0.2"} {
		others = append(others, r.boundFrom(ip, 0))
	}
	for _, c := range many[:3] {
		c.over()
	}
	for _, c := range append(many[3:], others...) {
		c.works()
	}
}

// Where the unit has fewer descriptors than connections are allowed it is the same.
func TestTheLargestHolderMakesRoomWhenDescriptorsRunOut(t *testing.T) {
	r := newRig(t)
	r.tooFew = 12
	r.start()
	other := r.boundFrom("127.0.0.2", 0)
	for range 30 {
		r.boundFrom("127.0.0.3", 0).works()
	}
	r.dialFrom("127.0.0.4")
	r.boundFrom("127.0.0.5", 0).works()
	other.works()
}

func TestTheLargestHolderOfHandlesMakesRoom(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Handles] = source.Limit{Total: 20, Address: 18}
	r.start()
	open := func(c *client) []byte {
		t.Helper()
		h, status := c.call(opOpen, number(1))
		if status != 0 {
			t.Fatalf("open: %v", status)
		}
		return h
	}
	many, second := r.boundFrom("127.0.0.3", 0), r.boundFrom("127.0.0.3", 0)
	joined := r.boundFrom("127.0.0.3", many.group)
	for range 9 {
		open(many)
	}
	for range 9 {
		open(second)
	}
	if _, status := second.call(opOpen, number(1)); status != dcerpc.NcaServerTooBusy {
		t.Errorf("one more than the share: %v", status)
	}
	other := r.boundFrom("127.0.0.2", 0)
	mine := [][]byte{open(other), open(other), open(other)}
	many.over()
	joined.over()
	for range 9 {
		<-r.hooks.ran // they are run down
	}
	for _, h := range mine {
		if _, status := other.call(opUse, h); status != 0 {
			t.Errorf("a handle of another source: %v", status)
		}
	}
	second.works()
}

func TestAGroupIsThatOfItsSource(t *testing.T) {
	r := newRig(t).start()
	ids := map[uint32]bool{}
	var last, steps uint32
	for range 20 {
		c := r.boundFrom("127.0.0.2", 0)
		if ids[c.group] = true; c.group>>16 != 3 {
			t.Errorf("group %08x, want one of worker 3", c.group)
		}
		if c.group-last == 1 {
			steps++
		}
		last = c.group
	}
	if steps > 2 || len(ids) != 20 {
		t.Errorf("%d groups for 20 clients, %d of them follow the one before", len(ids), steps)
	}
	c := r.dialFrom("127.0.0.3")
	c.naked(c.bind(last, presentTest), dcerpc.ReasonNotSpecified)
	r.boundFrom("127.0.0.2", last).works()
}

func TestTheUnitTellsTheShareOfBoundConnections(t *testing.T) {
	m := newManager(t, "MSRPC_MAX_BOUND_PER_SOURCE=3")
	other := m.boundFrom("127.0.0.2", 0)
	var many []*client
	for range 5 {
		many = append(many, m.boundFrom("127.0.0.3", 0))
	}
	for _, c := range many[:2] {
		c.over()
	}
	for _, c := range append(many[2:], other) {
		c.works()
	}
}

func TestALimitThatIsLoggedNamesItsSetting(t *testing.T) {
	l := newRig(t).make()
	user := new(holder)
	user.Source = source.User(1000)
	known := map[string]bool{}
	for _, row := range setting.Of(setting.Native | setting.Direct) {
		known[row.Name+"="] = true
	}
	for r := range source.Resources {
		for _, h := range []*holder{user, new(holder)} {
			for _, share := range []bool{false, true} {
				if name, text := l.limitText(h, r, share, "x"); !known[name] || !strings.Contains(text, "see "+name) {
					t.Errorf("%q names %s, which is not a setting", text, name)
				}
			}
		}
	}
}

// Behind one address there may be many clients: the one that has the most pays.
func TestOfOneSourceTheConnectionThatHasTheMostPays(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{}}
	r.env.Limits[source.Blocking] = source.Limit{Address: 4}
	r.env.Limits[source.Partial] = source.Limit{Address: 10000}
	r.env.Limits[source.Handles] = source.Limit{Address: 16}
	r.env.Limits[source.Securities] = source.Limit{Address: 5}
	r.env.Limits[source.Handshakes] = source.Limit{Address: 3}
	r.start()

	hog := r.dial(layout.TCP)
	hog.h.Flags |= dcerpc.FlagMultiplex
	hog.exchange(hog.bind(0, presentTest))
	hog.h.Flags &^= dcerpc.FlagMultiplex
	for range 4 {
		hog.send(hog.request(opWait, nil))
		<-r.hooks.runs
	}
	other := r.bound(layout.TCP, 0)
	other.send(other.request(opWait, nil))
	<-r.hooks.runs
	hog.over()
	close(r.hooks.wait)
	other.answer()

	hog = r.bound(layout.TCP, 0)
	pdus := hog.request(opEcho, noise(9000))
	hog.send(pdus[:len(pdus)-100])
	for r.loop.ledger.Total(source.Partial) < 8000 {
		time.Sleep(time.Millisecond)
	}
	pdus = other.request(opEcho, noise(6000))
	other.send(pdus[:len(pdus)-100])
	hog.over()
	other.send(pdus[len(pdus)-100:])
	if _, status := other.answer(); status != 0 {
		t.Errorf("a call in two pieces: %v", status)
	}

	hog = r.bound(layout.TCP, 0)
	for range 16 {
		hog.call(opCounter, number(1))
	}
	if _, status := hog.call(opCounter, number(1)); status != dcerpc.NcaServerTooBusy {
		t.Errorf("one more than the share: %v", status)
	}
	if _, status := other.call(opCounter, number(1)); status != 0 {
		t.Errorf("a handle of another client: %v", status)
	}
	hog.over()
	other.works()
	r.hogOfContexts(other)
}

// hogOfContexts pays for another client with its security contexts, and the oldest
// handshake for a newer one.
func (r *rig) hogOfContexts(other *client) {
	hog := r.bound(layout.TCP, 0)
	for id := range uint32(5) {
		hog.secured(id, dcerpc.LevelConnect)
	}
	other.secured(1, dcerpc.LevelConnect)
	hog.over()
	for range 3 {
		hog = r.bound(layout.TCP, 0)
		hog.exchange(hog.alter(1, dcerpc.LevelConnect, "token1"))
	}
	late := r.bound(layout.TCP, 0)
	late.secured(1, dcerpc.LevelConnect) // after the oldest of these
	other.works()
}

// A client that takes nearly all of an answer gives its memory back.
func TestWhatIsSentTakesNoMemory(t *testing.T) {
	r := newRig(t)
	l := r.make()
	c := r.dialFrom("127.0.0.3")
	c.send(c.bind(0, presentTest))
	l.serveAll()
	c.receive()
	c.send(c.request(opBig, number(8<<20)))
	var server *conn
	for server == nil || len(server.out) == 0 {
		l.serveAll()
		for _, k := range l.conns {
			if k != nil {
				server = k
			}
		}
	}
	for buf := make([]byte, 1<<16); len(server.out) > 1<<17; l.serveAll() {
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.sent + cap(server.out); n > 1<<20 {
		t.Errorf("%d bytes of memory for %d that are not sent", n, len(server.out))
	}
}
