// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/source"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// tcpFrom is a client of one TCP listener that is handed over with its bind.
func (f *fixture) tcpFrom(l net.Listener, ip string) *client {
	f.t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).Dial("tcp", l.Addr().String())
	f.must(err)
	s, err := l.Accept()
	f.must(err)
	defer s.Close()
	file, err := s.(*net.TCPConn).File()
	f.must(err)
	r := &client{Conn: c, f: f, server: file}
	c.SetDeadline(time.Now().Add(deadline))
	f.t.Cleanup(func() { c.Close() })
	c.Write(bind(f.t))
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	r.give(handoff.Message{FragLength: uint16(len(bind(f.t))), Binding: fmt.Appendf(nil, "ncacn_ip_tcp:[%d]", port)})
	return r
}

// open counts the clients whose connection stands.
func open(clients []*client) (n int) {
	for _, c := range clients {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
			n++
		}
	}
	return n
}

func TestASourceHasItsShareOfAWorker(t *testing.T) {
	loopback.Need(t)
	f := newFixture(t)
	f.extra = append(f.extra, "MSRPC_MAX_BOUND_PER_SOURCE=8")
	f.startReady()
	l := check.Listen(f.t, "tcp", "127.0.0.1:0")
	var others, flood []*client
	for range 6 {
		pipe := f.pipeClient()
		pipe.body()
		other := f.tcpFrom(l, "127.0.0.2")
		other.body()
		others = append(others, other, pipe)
	}
	for range 100 { // some of which may be closed before the rpcd says a word
		flood = append(flood, f.tcpFrom(l, "127.0.0.3"))
	}
	for late := time.Now().Add(deadline); open(flood) > 16; {
		if time.Now().After(late) {
			t.Fatalf("one address has %d connections, its share is 8", open(flood))
		}
		f.tcpFrom(l, "127.0.0.4").Close()
	}
	if open(flood[90:]) == 0 {
		t.Error("the newest connections were closed, not the longest idle")
	}
	for _, c := range others {
		c.SetDeadline(time.Now().Add(deadline))
		c.Write([]byte("x"))
		c.rest("x")
	}
	check.Is(t, "connections of others stand", len(others), open(others))
	if !f.output.has("too many connections") {
		t.Error("nothing is logged")
	}
}

// A process of smbd is one client, whatever it says who that is.
func TestAClientOfSmbdHasItsShareOfAWorker(t *testing.T) {
	f := newFixture(t)
	f.extra = append(f.extra, "MSRPC_MAX_BOUND_PER_SOURCE=8")
	f.startReady()
	var flood []*client
	for range 60 {
		flood = append(flood, f.pipeClient())
	}
	for late := time.Now().Add(deadline); open(flood) > 16; {
		if time.Now().After(late) {
			t.Fatalf("one process of smbd has %d connections, its share is 8", open(flood))
		}
		f.pipeClient().Close()
	}
	if open(flood[:20]) > 0 {
		t.Error("the newest connections were closed, not the oldest")
	}
}

func TestLimitsFitDescriptors(t *testing.T) {
	for _, tt := range []struct {
		descriptors, total, address int
		most                        uint64
	}{
		{16384, 12288, 2048, 16128}, {1024, 768, 768, 768}, {1 << 30, 20000, 2048, 1<<30 - 256}, {2, 1, 1, 2},
	} {
		var s shedder
		s.fit(source.Limit{Total: 20000, Address: 2048}, tt.descriptors)
		if s.limit.Total != tt.total || s.limit.Address != tt.address || s.most != tt.most {
			t.Errorf("%d descriptors: %+v, %d of all kinds", tt.descriptors, s.limit, s.most)
		}
	}
}

// TestWhoHasTheMostGivesFirst with random crowds: what is left keeps to the limits,
// and no source had to give while a larger one had more left.
func TestWhoHasTheMostGivesFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		limit := source.Limit{Total: 20 + random.IntN(200), Address: 5 + random.IntN(60)}
		var list []socket
		had, left := map[source.Source]int{}, map[source.Source]int{}
		for i := range random.IntN(400) {
			from := source.Address(netip.AddrFrom4([4]byte{10, 0, 0, byte(min(random.IntN(20), random.IntN(20)))}))
			list = append(list, socket{fd: i, from: from, idle: random.Uint64N(1000)})
			had[from]++
			left[from]++
		}
		all := append([]socket(nil), list...)
		victims, next := choose(list, limit)
		gone := map[int]bool{}
		for _, k := range victims {
			gone[k.fd] = true
			left[k.from]--
		}
		rest := len(all) - len(victims)
		most := 0
		for from, n := range left {
			if most = max(most, n); n > limit.Address {
				t.Fatalf("%d of %d are left to a source, %+v", n, had[from], limit)
			}
		}
		if rest > limit.Total || next < 1 || len(all) <= limit.Total-limit.Total/16 && most < limit.Address && len(victims) > 0 && maxOf(had) <= limit.Address {
			t.Fatalf("%d of %d are left, the next look after %d, %+v", rest, len(all), next, limit)
		}
		for from := range had {
			if left[from] < had[from] && left[from] < most-1 && had[from] <= limit.Address {
				t.Fatalf("a source has %d of %d left, another one %d", left[from], had[from], most)
			}
		}
		for _, k := range all { // of each source the longest idle go
			for _, v := range victims {
				if v.from == k.from && !gone[k.fd] && k.idle > v.idle {
					t.Fatalf("%d idle stays, %d idle goes", k.idle, v.idle)
				}
			}
		}
	}
}

func maxOf(m map[source.Source]int) (most int) {
	for _, n := range m {
		most = max(most, n)
	}
	return most
}
