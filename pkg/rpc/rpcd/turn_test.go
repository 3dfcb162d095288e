// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"msrpcd/pkg/host/layout"
)

// ahead are calls that a client sends without waiting for answers, numbered.
func (c *client) ahead(calls int) (pdus []byte) {
	for n := range calls {
		pdus = append(pdus, c.request(opEcho, number(uint32(n)))...)
	}
	return pdus
}

// answered has so many calls answered in their order.
func (c *client) answered(calls int) {
	c.t.Helper()
	for n := range calls {
		got, status := c.answer()
		if status != 0 || len(got) != 4 || binary.LittleEndian.Uint32(got) != uint32(n) {
			c.t.Fatalf("answer %d of %d: %x, %v", n, calls, got, status)
		}
	}
}

func TestCallsThatWereSentAheadAreAllAnswered(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c, calls := r.bound(tr, 0), 5000
		go c.Write(c.framed(c.ahead(calls), 1<<16-1))
		c.answered(calls)
		c.send(c.ahead(turnPDUs + 1)) // and after these nothing more comes
		c.answered(turnPDUs + 1)
		c.works()
	})
}

// TestFloodOfCallsHoldsUpNoOther: a round of the loop is short for those who
// have nothing to do with it, whatever waits, in whatever way it came.
func TestFloodOfCallsHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	l := r.make()
	var flood []*client
	for i := range 64 {
		c := r.dialFrom(fmt.Sprintf("127.0.0.%d", 3+i%2))
		c.send(append(c.bind(0, presentTest), c.ahead(1000)...))
		flood = append(flood, c)
	}
	other := r.dialFrom("127.0.0.2")
	other.send(other.bind(0, presentTest))
	for other.exchanged(l) == 0 {
	}
	queued := l.turns.first
	if queued == nil {
		t.Fatal("no connection waits for its turn")
	}
	const calls = 50
	before, rounds := l.stats[2], 0
	for n := range calls {
		other.send(other.request(opEcho, number(uint32(n))))
		for rounds++; other.exchanged(l) == 0; rounds++ {
		}
	}
	if rounds > calls*3/2 { // the kernel may bring a call later
		t.Errorf("%d rounds for %d calls", rounds, calls)
	}
	// Half of the time, at most, goes to those who wait.
	if n := l.stats[2] - before; n < 2*calls {
		t.Errorf("%d PDUs served in %d rounds: those who wait get nothing", n, calls)
	}
	if l.turns.first == nil {
		t.Error("the flood is over: it was no flood")
	}
	for _, c := range flood {
		c.Close()
	}
	other.Close()
	r.emptied(l)
}

// exchanged serves one round of a loop, and says how many PDUs have come by then.
func (c *client) exchanged(l *loop) (n int) {
	c.t.Helper()
	events, _ := l.Wait(l.Now + time.Second)
	for i := range events {
		l.event(l.Event(i))
	}
	l.serveQueued()
	for {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.receive(); err != nil {
			return n
		}
		n++
	}
}
