// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

// This file tests limits of silent clients, of descriptors, and what becomes of
// clients while the parking or the manager take nothing.

// dialFrom connects from another address of the loopback network.
func (r *rig) dialFrom(ip string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", r.tcp.Addr().String())
	must(r.t, err)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// pending waits until so many clients wait.
func (r *rig) pending(n uint32) {
	r.t.Helper()
	eventually(r.t, func() bool { return r.broker.status.Broker().Pending.Load() == n })
}

func closed(t *testing.T, c net.Conn, who string) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%s reads %v, want EOF", who, err)
	}
}

// served binds and has the worker take it.
func (r *rig) served(c net.Conn) {
	r.t.Helper()
	c.Write(bindPDU(0))
	_, f := r.take(0)
	f.Close()
}

func TestAFloodingAddressPushesOutItsOwn(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Limits[source.Unbound].Address = 1, 3
	r.openInbox(0)
	r.start()
	other := r.dialFrom("127.0.0.2") // the oldest of all
	r.pending(1)
	var flood []net.Conn
	for range 5 {
		flood = append(flood, r.dial())
	}
	closed(t, flood[0], "the oldest of the flood")
	closed(t, flood[1], "the next one")
	r.pending(4)
	r.served(flood[2])
	r.served(other)
	// One that was served counts no longer.
	r.dial()
	r.pending(3)
	r.served(flood[3])
	r.served(flood[4])
}

// TestTheSourceWithTheMostMakesRoom, not the conn that waits the longest.
func TestTheSourceWithTheMostMakesRoom(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Limits[source.Unbound].Total = 1, 4
	r.openInbox(0)
	r.start()
	other := r.dialFrom("127.0.0.2")
	r.pending(1)
	var flood []net.Conn
	for n := range 3 {
		flood = append(flood, r.dial())
		r.pending(uint32(n + 2))
	}
	newest := r.dialFrom("127.0.0.4")
	closed(t, flood[0], "the oldest of the source with the most")
	r.served(other)
	r.served(newest)
}

func TestRootOnNcalrpcHasNoLimitOfItsOwn(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits[source.Unbound].User = 1
	l := check.Listen(t, "unix", filepath.Join(layout.Runtime, "local"))
	b, err := New(r.cfg, slog.New(slog.DiscardHandler), []sys.PassedFD{{FD: dupFD(t, l.(*net.UnixListener)), Name: string(layout.Ncalrpc)}})
	must(t, err)
	defer b.status.Close()
	for range 2 {
		check.Dial(t, "unix", l.Addr().String())
	}
	b.loop.Tick()
	b.door.Accept(0)
	if want := map[bool]int{true: 2, false: 1}[os.Getuid() == 0]; b.waiting.silent.n != want {
		t.Errorf("%d silent connections of uid %d, want %d", b.waiting.silent.n, os.Getuid(), want)
	}
	if n := b.waiting.crowds.Len(); n != map[bool]int{true: 0, false: 1}[os.Getuid() == 0] {
		t.Errorf("%d users are counted", n)
	}
}

// TestPipesCountByTheirClient: all come from smbd, whose request tells whose
// they are.
func TestPipesCountByTheirClient(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits[source.Unbound].Address = 2
	r.start()
	req := npaRequest(t)
	var all []net.Conn
	half := r.pipe() // not known yet whose it is
	half.Write(req[:100])
	r.pending(1)
	for range 3 {
		c := r.pipe()
		c.Write(req)
		io.ReadFull(c, make([]byte, 36))
		all = append(all, c)
	}
	closed(t, all[0], "the oldest")
	r.pending(3)
	half.Write(req[100:])
	closed(t, all[1], "the next one, when the half request is complete,")
	r.pending(2)
}

func TestWaitingClientsAreNotSilentOnes(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Limits[source.Unbound].Total, r.cfg.Limits[source.Unbound].Address = 1, 4, 3
	r.start()
	var bound, silent []net.Conn
	for i := range uint32(10) { // the last of which may be silent still when the next one comes
		c := r.dial()
		c.Write(bindPDU(0)) // its worker is not there
		bound = append(bound, c)
		r.pending(i + 1)
	}
	for i := range uint32(3) {
		silent = append(silent, r.dial())
		r.pending(11 + i)
	}
	r.dial()
	closed(t, silent[0], "the oldest silent client")
	r.openInbox(0)
	for range bound {
		_, f := r.take(0)
		f.Close()
	}
}

// TestClientsThatLeaveAreForgotten, whatever they wait for.
func TestClientsThatLeaveAreForgotten(t *testing.T) {
	r := newRig(t)
	r.start()
	silent, half, decided := r.dial(), r.dial(), r.pipe()
	half.Write(bindPDU(0)[:30])
	decided.Write(append(npaRequest(t), framedBind()...)) // no worker is there
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 3 })
	for i, c := range []net.Conn{silent, half, decided} {
		c.Close()
		r.pending(uint32(2 - i))
	}
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 0 })
}

// TestGroupsLeaveAWorkerThatStopped: those that wait for a worker that does not
// read go to one that does.
func TestGroupsLeaveAWorkerThatStopped(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits[source.Unbound].Total = 10000
	r.openInbox(0)
	r.start()
	w := r.broker.status.Worker(1)
	w.Groups.Store(1 << 20) // worker 1 has more to do, until worker 0 is stuck
	const n = 400
	for range n {
		r.dial().Write(bindPDU(0))
	}
	eventually(t, func() bool { return r.broker.status.Broker().Pending.Load() > 0 })
	stuck := r.broker.status.Sent(0).Sent.Load()
	r.openInbox(1)
	for i := stuck; i < n; i++ {
		_, f := r.take(1)
		f.Close()
	}
	r.pending(0)
}

// TestSilentClientsGiveTheirDescriptors: where few are left, a talking client
// is served at once, and those that are decided are never closed.
func TestSilentClientsGiveTheirDescriptors(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers = 1
	r.openInbox(0)
	r.start()
	r.broker.loop.Raise(unix.SIGTERM)
	must(t, <-r.done)
	b := r.broker
	b.fdLimit = 0 // as if all were in use
	var silent []net.Conn
	for i := range 3 {
		silent = append(silent, r.dial())
		b.loop.Tick()
		b.door.Accept(0)
		b.loop.Now += time.Second // a pause is over
		b.door.Resume()
		if i > 0 {
			closed(t, silent[i-1], fmt.Sprint("silent client ", i-1))
		}
	}
	if b.waiting.silent.n > 1 {
		t.Errorf("%d silent connections, want one", b.waiting.silent.n)
	}
	talking := r.dial()
	talking.Write(bindPDU(0))
	b.door.Accept(0)
	_, f := r.take(0)
	f.Close()
	if b.door.Paused() {
		t.Error("accepting pauses although there was somebody to make room")
	}
	r.done <- nil
}
