// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// held is what all connections and groups of a loop hold, counted one by one.
func (l *loop) held() map[*holder]*[source.Resources]int {
	all := map[*holder]*[source.Resources]int{}
	of := func(h *holder) *[source.Resources]int {
		if all[h] == nil {
			all[h] = new([source.Resources]int)
		}
		return all[h]
	}
	for _, c := range l.conns {
		if c == nil {
			continue
		}
		use := of(c.from)
		switch {
		case c.admitted():
			use[source.Bound]++
		case c.counted:
			use[source.Unbound]++
		}
		use[source.Partial] += len(c.in) + c.held
		use[source.Blocking] += c.running
		use[source.Unsent] += len(c.out)
		use[source.Securities] += len(c.state.securities)
		for _, s := range c.state.securities {
			if !s.done && !s.dead {
				use[source.Handshakes]++
			}
		}
	}
	for _, g := range l.groups.byID {
		of(g.owner)[source.Handles] += len(g.handles)
	}
	return all
}

func (l *loop) checkLedger() error {
	var total [source.Resources]int
	sources := 0
	for h, use := range l.held() {
		if h.Source != (source.Source{}) {
			sources++
		}
		for r := range source.Resources {
			if total[r] += use[r]; h.Use(r) != use[r] {
				return fmt.Errorf("the ledger has %d %s of a source that holds %d", h.Use(r), limited[r].what, use[r])
			}
		}
		if h.Own.silent.n != use[source.Unbound] || h.Own.bound.n != use[source.Bound] {
			return fmt.Errorf("%d silent and %d bound connections in the queues of a source that has %v", h.Own.silent.n, h.Own.bound.n, *use)
		}
	}
	for r := range source.Resources {
		if limit := l.ledger.Limits[r]; l.ledger.Total(r) != total[r] || total[r] > limit.Total {
			return fmt.Errorf("the ledger has %d %s of %d that are held, %d may be", l.ledger.Total(r), limited[r].what, total[r], limit.Total)
		}
	}
	if l.ledger.Len() != sources {
		return fmt.Errorf("%d sources in the ledger, %d that hold something", l.ledger.Len(), sources)
	}
	return nil
}

// TestLedgerIsWhatConnectionsHold has random clients of several sources do what
// they can, and looks at each step.
func TestLedgerIsWhatConnectionsHold(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{}}
	for n := range source.Resources {
		r.env.Limits[n] = source.Limit{Total: 14, Address: 6}
	}
	r.env.Limits[source.Partial] = source.Limit{Total: 40000, Address: 20000}
	r.env.Limits[source.Unsent] = source.Limit{Total: 40 << 20, Address: 20 << 20}
	l := r.make()
	random := rand.New(rand.NewPCG(3, 4))
	var clients []*actor
	var seen [source.Resources]int
	for step := range 2000 {
		if len(clients) < 5 || len(clients) < 60 && random.IntN(4) == 0 {
			c := r.dialFrom(fmt.Sprintf("127.0.0.%d", 2+random.IntN(3)))
			if random.IntN(4) == 0 {
				c.Close()
				c = &client{Conn: connect(t, r.ncalrpc.Addr()), t: t, max: c.max, h: c.h}
			}
			clients = append(clients, &actor{client: c})
		}
		k := random.IntN(len(clients))
		if clients[k].act(random) {
			clients = append(clients[:k], clients[k+1:]...)
		}
		goOn := r.hooks.wait
		if l.running < 20 && random.IntN(20) > 0 { // those whose client has gone go on, too
			goOn = nil
		}
		select {
		case goOn <- struct{}{}:
		case <-r.hooks.runs:
		case <-r.hooks.ran:
		default:
		}
		l.serveAll()
		if err := l.checkLedger(); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		for n := range source.Resources {
			seen[n] = max(seen[n], l.ledger.Total(n))
		}
	}
	for n := range source.Resources {
		if limit := l.ledger.Limits[n].Total; seen[n] < limit/4 {
			t.Errorf("never more than %d %s were held, %d may be", seen[n], limited[n].what, limit)
		}
	}
	for _, c := range clients {
		c.Close()
	}
	r.emptied(l)
}

// emptied checks that nothing is left when all clients have gone.
func (r *rig) emptied(l *loop) {
	r.t.Helper()
	close(r.hooks.wait)
	for l.open > 0 || l.running > 0 {
		select {
		case <-r.hooks.runs:
		case <-r.hooks.ran:
		default:
			l.serveAll()
		}
	}
	if l.ledger.Len() != 0 || len(l.groups.byID) != 0 || l.unbound.all.n != 0 {
		r.t.Errorf("%d sources, %d groups and %d silent connections are left of no client", l.ledger.Len(), len(l.groups.byID), l.unbound.all.n)
	}
}

// actor is a client that keeps to the protocol, mostly.
type actor struct {
	*client
	bound bool
	rest  []byte // of a call that it has begun
}

// act does something that a client may do, or must not; over: it has left.
func (a *actor) act(random *rand.Rand) (over bool) {
	a.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	pdus := a.rest
	a.rest = nil
	switch n := random.IntN(15); {
	case n == 0:
		a.Close()
		return true
	case n == 1:
		pdus = a.bind(0, presentTest) // a second one ends the connection
		pdus = pdus[:1+random.IntN(len(pdus))]
	case len(pdus) > 0:
	case !a.bound:
		a.bound = true
		pdus = a.bind(0, presentTest)
	case n < 5:
		pdus = a.request(opOpen, number(1))
	case n < 8:
		pdus = a.request(opEcho, noise(9000))
		k := random.IntN(len(pdus))
		pdus, a.rest = pdus[:k], pdus[k:]
	case n < 13 && n >= 10:
		token := []string{"token1", "token1", "token2", "wrong"}[random.IntN(4)]
		pdus = a.alter(uint32(random.IntN(9)), dcerpc.LevelConnect, token)
	case n < 10:
		pdus = a.request(opBig, number(8<<20))
	default:
		pdus = a.request(opWait, nil)
	}
	_, err := a.Write(pdus)
	return err != nil
}

// serveAll serves what there is, as run does.
func (l *loop) serveAll() {
	for {
		n, _ := l.Wait(0)
		for i := range n {
			l.event(l.Event(i))
		}
		l.serveQueued()
		l.reclaim()
		if n == 0 && l.turns.first == nil {
			return
		}
	}
}
