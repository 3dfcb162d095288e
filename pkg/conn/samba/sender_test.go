// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"log/slog"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/tests/tools/check"
)

// The side of the inbox, in this process: senders, and what a hand-over allocates.

// inProcess is a worker without a loop: what is sent to box it takes, what it
// sends to its rpcd comes out of child.
func inProcess(f *fixture) (w *worker, box, child int) {
	f.t.Helper()
	pair := func(typ int) [2]int {
		fd := check.Pair(f.t, typ|unix.SOCK_NONBLOCK)
		f.t.Cleanup(func() { unix.Close(fd[0]); unix.Close(fd[1]) })
		return fd
	}
	in, out := pair(unix.SOCK_DGRAM), pair(unix.SOCK_DGRAM)
	f.must(unix.SetsockoptInt(in[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	guest, err := lookupGuest("root")
	f.must(err)
	dirs := inbox.Directories{NP: []byte(f.dir + "/np"), Ncalrpc: []byte(f.dir + "/ncalrpc")}
	return &worker{
		log: slog.New(slog.NewTextHandler(&f.output, nil)), phase: serving,
		line: inbox.NewLine(f.line(), f.file.Sent(fixtureIndex)), bus: &MessagingSocket{}, layout: layoutOf(f.t, "4.17.12"),
		anon:  NewAnonymous(layoutOf(f.t, "4.17.12"), guest),
		inbox: inbox.New(in[0], dirs), childQ: out[0],
		out: NewOutgoing(maxBody), outFD: [1]int32{-1}, self: &program.Self{}, loop: new(event.Loop), librariesAt: event.Never, shed: shedder{most: 100},
	}, in[1], out[1]
}

// A sender that is neither root nor msrpc is refused.
func TestSenderIsChecked(t *testing.T) {
	f := newFixture(t)
	w, box, child := inProcess(f)
	w.inbox.Trusted = [2]uint32{uint32(os.Geteuid()) + 1, uint32(os.Geteuid()) + 2}
	c := f.connect(layout.NP, "winreg")
	c.Write(framed(bind(t)))
	m := f.pipeMessage()
	f.must(unix.Sendmsg(box, m.Append(nil), unix.UnixRights(int(c.server.Fd())), nil, 0))
	c.server.Close()
	if !w.take() || w.take() {
		t.Error("not one datagram was taken")
	}
	c.closed()
	if _, err := unix.Read(child, make([]byte, 1)); err != unix.EAGAIN {
		t.Error("the rpcd was sent something")
	}
	check.Is(t, "connections", "received 1 closed 1", f.counts())
	if !f.output.has(inbox.ErrSender.Error()) {
		t.Error(f.output.String())
	}
}

func TestHandOverDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	w, box, child := inProcess(f)
	np := f.connect(layout.NP, "winreg")
	tcp := f.connect(layout.TCP, "")
	binding := []byte("ncacn_ip_tcp:[" + strconv.Itoa(int(tcp.addr.Port())) + "]")
	npMessage := f.pipeMessage()
	tcpMessage := handoff.Message{FragLength: uint16(len(bind(t))), Binding: binding}
	npBytes, tcpBytes := npMessage.Append(nil), tcpMessage.Append(nil)
	npBind, tcpBind := framed(bind(t)), bind(t)
	npOOB, tcpOOB := unix.UnixRights(int(np.server.Fd())), unix.UnixRights(int(tcp.server.Fd()))
	var drain [DatagramSize]byte
	allocs := func(take bool) float64 {
		return testing.AllocsPerRun(200, func() {
			np.Write(npBind)
			tcp.Write(tcpBind)
			f.must(unix.Sendmsg(box, npBytes, npOOB, nil, 0))
			f.must(unix.Sendmsg(box, tcpBytes, tcpOOB, nil, 0))
			for i := 0; take && i < 2; i++ {
				if !w.take() {
					t.Fatal("nothing taken")
				}
			}
			for !take {
				if _, err := unix.Read(w.inbox.FD, drain[:]); err != nil {
					break
				}
			}
			for {
				if _, err := unix.Read(child, drain[:]); err != nil {
					break
				}
			}
		})
	}
	with, without := allocs(true), allocs(false)
	if with > without {
		t.Errorf("%v allocations for two hand-overs, %v of them the test's own", with, without)
	}
	check.Is(t, "connections", "received 402 closed 0", f.counts())
}
