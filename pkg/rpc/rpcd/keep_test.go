// SPDX-License-Identifier: Apache-2.0

package rpcd

// What outlives the process, and what does not.

import (
	"bytes"
	"syscall"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

var ends = map[string]syscall.Signal{"restart": syscall.SIGTERM, "crash": syscall.SIGKILL}

func (c *client) count(handle []byte, want uint32) {
	c.t.Helper()
	if got, status := c.call(opCount, handle); status != 0 || !bytes.Equal(got, number(want)) {
		c.t.Errorf("counted to %x, %v; want %d", got, status, want)
	}
}

func (c *client) counter(n uint32) []byte {
	c.t.Helper()
	handle, status := c.call(opCounter, number(n))
	if status != 0 || len(handle) != 20 {
		c.t.Fatalf("handle %x, %v", handle, status)
	}
	return handle
}

// caller is what opCaller tells.
func (c *client) caller() []byte {
	c.t.Helper()
	who, status := c.call(opCaller, nil)
	if status != 0 {
		c.t.Fatal(status)
	}
	return who
}

func TestConnectionsOutliveTheProcess(t *testing.T) {
	for name, signal := range ends {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			type held struct {
				*client
				second      *client // of the same group
				handle, who []byte
			}
			var all []held
			for _, tr := range reachable() {
				c := m.bound(tr, 0)
				all = append(all, held{c, m.bound(tr, c.group), c.counter(10), nil})
			}
			silent := m.dial(layout.TCP)
			m.aged()
			for i := range all {
				all[i].second.count(all[i].handle, 11)
				all[i].who = all[i].caller()
			}
			for round := range uint32(3) {
				m.again(signal)
				for i, h := range all {
					h.works()
					h.second.count(h.handle, 12+round)
					if got := h.caller(); !bytes.Equal(got, h.who) {
						t.Errorf("client %d: caller %x, before %x", i, got, h.who)
					}
					h.fault(h.request(opUse, h.handle), dcerpc.NcaContextMismatch) // no handle of that type
				}
				if open := m.line.Received.Load() - m.line.Closed.Load(); open != uint64(2*len(all)+1) {
					t.Errorf("round %d: the status file has %d connections", round, open)
				}
			}
			for _, h := range all {
				h.Close() // the keeper of the handles
				h.second.count(h.handle, 15)
			}
			m.again(signal)
			for _, h := range all {
				h.second.count(h.handle, 16)
			}
			if p := silent.exchange(silent.bind(all[0].second.group, presentTest)); p.Type != dcerpc.PTypeBindAck {
				t.Errorf("a client that was silent: %s", dcerpc.TypeName(p.Type))
			}
			silent.count(all[0].handle, 17)
		})
	}
}

// A graceful stop keeps young ones too, and what has come of a call.
func TestRestartInTheMiddle(t *testing.T) {
	m := newManager(t)
	for _, age := range []func(){func() {}, m.aged} {
		for _, tr := range reachable() {
			half, fragment, late := m.bound(tr, 0), m.bound(tr, 0), m.dial(tr)
			age()
			want := noise(9000)
			pdus := half.framed(half.request(opEcho, want[:50]), 1<<15)
			half.Write(pdus[:len(pdus)/2])
			parts := fragment.framed(fragment.request(opEcho, want), 1<<15)
			at := fragment.max // the first fragment and some bytes of the next
			fragment.Write(parts[:at+100])
			bind := late.framed(late.bind(0, presentTest), 1<<15)
			late.Write(bind[:20])
			m.bound(tr, 0).works() // they have been read
			m.again(syscall.SIGTERM)
			half.Write(pdus[len(pdus)/2:])
			if got, status := half.answer(); status != 0 || !bytes.Equal(got, want[:50]) {
				t.Errorf("%s: half a PDU: %d bytes, %v", tr, len(got), status)
			}
			fragment.Write(parts[at+100:])
			if got, status := fragment.answer(); status != 0 || !bytes.Equal(got, want) {
				t.Errorf("%s: fragments: %d bytes, %v", tr, len(got), status)
			}
			late.Write(bind[20:])
			if p, err := late.receive(); err != nil || p.Type != dcerpc.PTypeBindAck {
				t.Errorf("%s: half a bind: %s, %v", tr, dcerpc.TypeName(p.Type), err)
			}
			m.aged()
			m.again(syscall.SIGKILL) // what was taken up is at rest again
			half.works()
			fragment.works()
			late.works()
		}
	}
}

func TestUnsentAnswerOutlivesARestart(t *testing.T) {
	m := newManager(t)
	c := m.bound(layout.Ncalrpc, 0)
	m.aged()
	c.send(c.request(opBig, number(3<<20)))
	other := m.bound(layout.Ncalrpc, 0)
	other.works()
	m.again(syscall.SIGTERM)
	if got, status := c.answer(); status != 0 || len(got) != 3<<20 {
		t.Errorf("%d bytes, %v", len(got), status)
	}
	c.works()
}

// Nobody knows how far a call came that a crash cut off.
func TestCrashInTheMiddleEndsTheConnection(t *testing.T) {
	m := newManager(t)
	half, unread, idle := m.bound(layout.TCP, 0), m.bound(layout.Ncalrpc, 0), m.bound(layout.TCP, 0)
	m.aged()
	half.Write(half.request(opEcho, nil)[:10])
	unread.send(unread.request(opBig, number(3<<20)))
	idle.works()
	m.bound(layout.TCP, 0).works()
	m.again(syscall.SIGKILL)
	idle.works()
	half.over()
	for buf := make([]byte, 1<<16); ; {
		if _, err := unread.Read(buf); err != nil {
			break
		}
	}
	m.bound(layout.TCP, 0).works()
}

// A group with a handle that cannot be kept is not served without it.
func TestHandleThatCanNotBeKeptEndsItsGroup(t *testing.T) {
	for name, signal := range ends {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			lost, other := m.bound(layout.TCP, 0), m.bound(layout.TCP, 0)
			second := m.bound(layout.TCP, lost.group)
			m.aged()
			lost.counter(1)
			lost.open(2)
			m.again(signal)
			for _, c := range []*client{lost, second} {
				if p, err := c.receive(); err != nil || p.Type != dcerpc.PTypeShutdown {
					t.Errorf("%s, %v; want a shutdown", dcerpc.TypeName(p.Type), err)
				}
				c.over()
			}
			other.works()
		})
	}
}
