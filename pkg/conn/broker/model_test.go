// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// This file has a broker that tests drive turn by turn, and what they know of its
// clients, for random_test.go.

// script is a source of choices; at its end they are all 0.
type script struct{ b []byte }

func (s *script) next(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	x := s.b[0]
	s.b = s.b[1:]
	return int(x) % n
}

// peer is a client. What is lost of it by no fault of its own must be accounted
// for.
type peer struct {
	fd     int
	name   string // as getpeername tells the server
	stream []byte // still to be sent
	quit   bool   // it has closed, or its sending side
	handed bool   // a worker has it
	ended  bool   // it saw the end
}

type model struct {
	*rig
	script  script
	b       *Broker
	peers   []*peer
	refused uint64 // by the status file, at the start
	crashed int    // clients that a crash may have cost
	stuck   bool   // the manager does not read
	names   int
	ahead   time.Duration // of the host's clock
	alive   [4]*status.File
	late    []uint64        // ids of those that the parking had not taken at the last look
	known   map[uint64]bool // then
}

func newModel(t *testing.T, data []byte) *model {
	m := &model{rig: newRig(t), script: script{data}}
	m.cfg.Limits[source.Unbound] = source.Limit{Total: 10, Address: 4, User: 4}
	m.cfg.MaxParked = []int{0, 3, 8}[m.script.next(3)]
	m.stick(m.script.next(3) == 1)
	m.boot()
	t.Cleanup(func() {
		m.halt()
		for _, p := range m.peers {
			unix.Close(p.fd)
		}
		for i := range m.alive {
			m.end(i)
		}
		for i := range m.inboxes {
			os.Remove(layout.Inbox("test", i))
		}
	})
	return m
}

// boot starts a broker with what the manager has.
func (m *model) boot() {
	m.t.Helper()
	fds := append([]sys.PassedFD{
		{FD: dupFD(m.t, m.tcp.(*net.TCPListener)), Name: string(layout.TCP)},
		{FD: dupFD(m.t, m.np.(*net.UnixListener)), Name: string(layout.NP)},
	}, m.stored()...)
	os.Setenv("NOTIFY_SOCKET", m.notify)
	var err error
	m.b, err = New(m.cfg, slog.New(slog.DiscardHandler), fds)
	must(m.t, err)
	m.b.rootUID = uint32(os.Geteuid())
	take := m.b.door.Take
	m.b.door.Take = func(fd, listener int) bool {
		if n := m.b.waiting.at[loose].n; n > 0 { // what a crash would cost right now, with fd
			m.t.Errorf("%d conns are not parked when the next one is accepted", n)
		}
		return take(fd, listener)
	}
	m.b.loop.Advance(m.ahead)
	m.b.loop.Tick()
	m.late = nil
	m.b.parking.lot.Ready()
	must(m.t, m.b.manager.Ready(m.b.loop.Now))
	m.turn()
}

// halt is the end of the process: its descriptors are closed.
func (m *model) halt() {
	m.b.status.Close()
	for fd := range m.b.conns {
		if m.b.conns[fd].state != free {
			unix.Close(fd)
		}
	}
	for _, l := range m.b.door.Listeners {
		unix.Close(l.FD)
	}
	for i := range m.b.workers.inboxes {
		unix.Close(m.b.workers.inboxes[i].fd)
	}
}

// turn is one of the loop, which does not sleep.
func (m *model) turn() {
	m.t.Helper()
	m.b.loop.Wake()
	n, err := m.b.loop.Wait(m.b.due())
	must(m.t, err)
	m.b.turn(n)
	must(m.t, m.b.check())
	m.lateOrder()
}

// rest has the loop do all that there is until it would sleep.
func (m *model) rest() {
	m.t.Helper()
	for turns := 0; ; turns++ {
		n, err := m.b.loop.Wait(0)
		must(m.t, err)
		if n == 0 {
			break
		}
		if m.b.turn(n); turns > 1000 {
			m.t.Fatal("the loop never sleeps")
		}
	}
	m.turn()
}

// pass lets time pass.
func (m *model) pass(d time.Duration) {
	m.ahead += d
	m.b.loop.Advance(d)
}

func (m *model) connect(np bool) {
	m.t.Helper()
	m.peers = slices.DeleteFunc(m.peers, func(p *peer) bool {
		gone := p.ended || p.quit && p.handed
		if gone {
			unix.Close(p.fd)
		}
		return gone
	})
	if len(m.peers) >= 40 {
		return
	}
	m.names++
	group := []uint32{0, 0, 0x00010005, 0x00000007}[m.script.next(4)]
	p := &peer{stream: bindPDU(group)}
	var own, to unix.Sockaddr
	family := unix.AF_INET
	if np {
		family = unix.AF_UNIX
		p.stream = slices.Concat(npaRequest(m.t), framedBind())
		own = &unix.SockaddrUnix{Name: fmt.Sprintf("@msrpcd-%d-%d", os.Getpid(), m.names)}
		to = &unix.SockaddrUnix{Name: m.np.Addr().String()}
	} else {
		own = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + m.script.next(3))}}
		to = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: m.tcp.Addr().(*net.TCPAddr).Port}
	}
	var err error
	p.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(m.t, err)
	must(m.t, unix.Bind(p.fd, own))
	must(m.t, unix.Connect(p.fd, to))
	must(m.t, unix.SetNonblock(p.fd, true))
	sa, err := unix.Getsockname(p.fd)
	must(m.t, err)
	p.name = nameOf(sa)
	m.peers = append(m.peers, p)
}

func nameOf(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return fmt.Sprint(sa.Addr, sa.Port)
	case *unix.SockaddrUnix:
		return sa.Name
	}
	return ""
}

// peer is a client that is still there.
func (m *model) peer() *peer {
	if len(m.peers) == 0 {
		return &peer{fd: -1, quit: true, ended: true}
	}
	return m.peers[m.script.next(len(m.peers))]
}

func (p *peer) send(n int) {
	if p.quit || p.ended {
		return
	}
	n, _ = sys.Send(p.fd, p.stream[:min(n, len(p.stream))])
	p.stream = p.stream[max(0, n):]
}

// sendPart sends n bytes, on a pipe of the bind: a request in pieces is a matter
// of package pipeauth.
func (p *peer) sendPart(n int) {
	if bind := len(framedBind()); len(p.stream) > bind && n > 8 {
		n += len(p.stream) - bind
	}
	p.send(n)
}

// stick has the manager read nothing, or all again.
func (m *model) stick(stuck bool) {
	if stuck == m.stuck {
		return
	}
	if m.stuck = stuck; !stuck {
		m.service.Hold.Unlock()
		m.service.Sync()
		return
	}
	m.service.Hold.Lock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(m.t, err)
	defer unix.Close(fd)
	for unix.Sendto(fd, []byte("FILL=1"), 0, &unix.SockaddrUnix{Name: m.notify}) == nil {
	}
}
