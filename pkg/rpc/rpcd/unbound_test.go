// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// dialFrom connects from another address of the loopback network.
func (r *rig) dialFrom(ip string) *client {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", r.tcp.Addr().String())
	must(r.t, err)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return &client{Conn: c, t: r.t, max: dcerpc.FragSizeTCP, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
}

// served binds a client that was silent.
func (r *rig) served(c *client) {
	r.t.Helper()
	if p := c.exchange(c.bind(0, presentTest)); p.Type != dcerpc.PTypeBindAck {
		r.t.Errorf("answer to a bind: %s", dcerpc.TypeName(p.Type))
	}
	c.works()
}

func TestAFloodingAddressPushesOutItsOwn(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Unbound] = source.Limit{Total: 100, Address: 3}
	r.start()
	other := r.dialFrom("127.0.0.2") // the oldest of all
	half := r.dialFrom("127.0.0.3")
	half.Write(half.bind(0, presentTest)[:20])
	var flood []*client
	for range 50 {
		flood = append(flood, r.dialFrom("127.0.0.1"))
	}
	for _, c := range flood[:47] {
		c.over()
	}
	half.h.CallID--
	half.Write(half.bind(0, presentTest)[20:])
	if p, err := half.receive(); err != nil || p.Type != dcerpc.PTypeBindAck {
		t.Errorf("half a bind: %s, %v", dcerpc.TypeName(p.Type), err)
	}
	for _, c := range append(flood[47:], other) {
		r.served(c)
	}
	// One that has bound counts no longer, one that has left neither.
	more := []*client{r.dialFrom("127.0.0.1"), r.dialFrom("127.0.0.1"), r.dialFrom("127.0.0.1")}
	for _, c := range more {
		r.served(c)
	}
	for range 5 {
		c := r.dialFrom("127.0.0.1")
		c.Close()
	}
	for _, c := range append(flood[47:], more...) {
		c.works()
	}
}

// Their peer is always the SMB server; whose they are is in its request.
func TestPipesCountByTheirClient(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Unbound].Address = 2
	r.start()
	request := vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
	half := &client{Conn: connect(t, r.np.Addr()), t: t, np: true, max: dcerpc.FragSizeNP, h: r.bound(layout.TCP, 0).h}
	half.Write(request[:100]) // not known yet whose it is
	first, second, third := r.dial(layout.NP), r.dial(layout.NP), r.dial(layout.NP)
	first.over()
	half.Write(request[100:])
	_, err := io.ReadFull(half, make([]byte, 36))
	must(t, err)
	second.over()
	r.served(half)
	r.served(third)
}

func TestUsersOfNcalrpcHaveALimitAndRootHasNone(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Unbound].User = 1
	r.start()
	first, second := r.dial(layout.Ncalrpc), r.dial(layout.Ncalrpc)
	r.served(second)
	if os.Getuid() == 0 {
		r.served(first)
	} else {
		first.over()
	}
}

// Who was silent before a restart counts, too, and the oldest go.
func TestSilentOnesCountAfterARestart(t *testing.T) {
	for name, signal := range ends {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, "MSRPC_MAX_UNBOUND_SOURCE=3")
			var silent []*client
			for range 3 {
				silent = append(silent, m.dialFrom("127.0.0.2"))
			}
			other := m.dialFrom("127.0.0.3")
			m.aged()
			m.again(signal)
			for range 2 {
				m.dialFrom("127.0.0.2")
			}
			m.bound(layout.TCP, 0).works()
			for _, c := range silent[:2] {
				c.over()
			}
			m.served(silent[2])
			m.served(other)
		})
	}
}

// A process with a lower limit takes up only as many.
func TestALowerLimitHoldsForThoseThatAreTakenUp(t *testing.T) {
	m := newManager(t, "MSRPC_MAX_UNBOUND=10")
	bound := m.bound(layout.TCP, 0)
	for range 10 {
		m.dialFrom("127.0.0.2")
	}
	m.aged()
	m.vars = []string{"MSRPC_MAX_UNBOUND=8", "MSRPC_MAX_UNBOUND_SOURCE=4"}
	m.again(syscall.SIGTERM)
	bound.works()
	check.Is(t, "the status file has connections", 5, m.line.Received.Load()-m.line.Closed.Load())
}

// TestABindThatLiesUnreadIsNoSilence: what came before a silent client is closed
// counts, although the loop has not looked at it yet.
func TestABindThatLiesUnreadIsNoSilence(t *testing.T) {
	for name, closeSilent := range map[string]func(*loop){
		"too many": func(l *loop) { l.reclaim() },
		"the time is over": func(l *loop) {
			l.Now += l.env.BindTimeout
			l.unbound.expire(l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newTestServer()
			l, err := newLoop(s, setting.Defaults(), slog.New(slog.DiscardHandler))
			must(t, err)
			l.ledger.Limits[source.Unbound].Total = 1
			var conns [2]*conn
			var peers [2]int
			for i := range conns {
				p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
				must(t, err)
				defer unix.Close(p[1])
				conns[i], peers[i] = l.add(p[0], l.endpointIndex(endpoint.Endpoint{Transport: layout.Ncalrpc, Name: "TEST"})), p[1]
				conns[i].readable(l)
			}
			c := client{h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}, t: t, max: dcerpc.FragSizeTCP}
			_, err = unix.Write(peers[0], c.bind(0, presentTest))
			must(t, err)
			closeSilent(l)
			if conns[0].silent || conns[0].fd < 0 {
				t.Error("the client whose bind is there is closed")
			}
		})
	}
}

func TestWaitingCostsNoAllocation(t *testing.T) {
	s, _ := newTestServer()
	l, err := newLoop(s, setting.Defaults(), slog.New(slog.DiscardHandler))
	must(t, err)
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	defer unix.Close(p[1])
	c := l.add(p[0], l.endpointIndex(endpoint.Endpoint{Transport: layout.Ncalrpc, Name: "TEST"}))
	if n := testing.AllocsPerRun(100, func() {
		l.unbound.remove(l, c)
		l.unbound.add(l, c)
		l.unbound.count(l, c)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
