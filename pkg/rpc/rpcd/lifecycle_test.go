// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

func TestIdleExit(t *testing.T) {
	r := newRig(t)
	r.env.Idle = 100 * time.Millisecond
	r.start()
	c := r.bound(layout.TCP, 0)
	for start := time.Now(); time.Since(start) < 3*r.env.Idle; {
		c.works()
	}
	silent := r.dial(layout.Ncalrpc)
	c.Close()
	select {
	case <-r.done:
		t.Fatal("it ended while a client was connected")
	case <-time.After(3 * r.env.Idle):
	}
	silent.Close()
	r.ended()
	// Whoever comes now waits in the listener, for the next process.
	r.dial(layout.TCP).Close()
}

func TestGracefulStop(t *testing.T) {
	r := newRig(t).start()
	var idle []*client
	for _, tr := range transports {
		idle = append(idle, r.bound(tr, 0))
	}
	unbound := r.dial(layout.TCP)
	busy := r.bound(layout.NP, 0)
	handle := idle[0].open(3)
	busy.send(busy.request(opWait, nil))
	<-r.hooks.runs
	r.loop.Raise(unix.SIGTERM)
	idle[0].use(handle, 3) // what is connected is served until the end
	r.hooks.wait <- struct{}{}
	if got, status := busy.answer(); !bytes.Equal(got, number(1)) || status != 0 {
		t.Errorf("call in progress: %x, %v", got, status)
	}
	for _, c := range append(idle, busy) {
		if p, err := c.receive(); err != nil || p.Type != dcerpc.PTypeShutdown {
			t.Errorf("%s, %v; want a shutdown", dcerpc.TypeName(p.Type), err)
		}
		c.over()
	}
	unbound.over()
	r.ended()
	r.ranDown(3)
}

func TestNobodyWaitsForABindForEver(t *testing.T) {
	r := newRig(t)
	r.env.BindTimeout = 200 * time.Millisecond
	r.start()
	c := r.bound(layout.TCP, 0)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		silent, half := r.dial(tr), r.dial(tr)
		half.Write([]byte{5, 0, 11})
		silent.over()
		half.over()
		c.works()
	})
	raw := &client{Conn: connect(t, r.np.Addr()), t: t}
	raw.Write([]byte{0, 0}) // half of an auth request
	raw.over()
	c.works()
}

func TestSilentClientsKeepNoTalkingOneOut(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Unbound].Total = 3
	r.start()
	first := r.bound(layout.TCP, 0)
	var silent []*client
	for range 4 {
		silent = append(silent, r.dial(layout.TCP))
		first.works() // the server has taken it
	}
	silent[0].over()
	for _, c := range silent[1:] {
		if p := c.exchange(c.bind(0, presentTest)); p.Type != dcerpc.PTypeBindAck {
			t.Errorf("answer %s", dcerpc.TypeName(p.Type))
		}
	}
	r.bound(layout.NP, 0).works()
	first.works()
}
