// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/endpoint"
	"msrpcd/pkg/inbox"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/parking"
	"msrpcd/pkg/status"
)

// manager does what systemd does for a worker: it has the listeners, keeps
// descriptors that it is given, and starts the server again.
type manager struct {
	*rig
	notify *net.UnixConn
	path   string
	line   *status.WorkerLine
	vars   []string // of its environment
	cmd    *exec.Cmd

	mu    sync.Mutex
	names []string // of the store
	store []int
	ready chan struct{}
}

func newManager(t *testing.T, vars ...string) *manager {
	t.Helper()
	dir := t.TempDir()
	old := layout.Runtime
	layout.Runtime = dir
	t.Cleanup(func() { layout.Runtime = old })
	must(t, os.Mkdir(layout.RpcdDir("test"), 0o755))
	must(t, status.Prepare(layout.StatusFile("test"), 4, os.Getuid(), os.Getgid()))
	file, err := status.Open(layout.StatusFile("test"), false)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	m := &manager{rig: newRig(t), path: filepath.Join(dir, "notify"), line: file.Worker(3), ready: make(chan struct{}, 1), vars: vars}
	m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { m.notify.Close() })
	go m.read()
	t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, fd := range m.store {
			unix.Close(fd)
		}
	})
	return m.spawn()
}

// read takes what the server tells.
func (m *manager) read() {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, on, _, _, err := m.notify.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		text := string(buf[:n])
		cmsgs, _ := unix.ParseSocketControlMessage(oob[:on])
		for i := range cmsgs {
			fds, _ := unix.ParseUnixRights(&cmsgs[i])
			_, name, _ := strings.Cut(text, "FDNAME=")
			m.mu.Lock()
			m.store = append(m.store, fds...)
			m.names = append(m.names, name)
			m.mu.Unlock()
		}
		if text == "READY=1" || text == "SYNC" {
			m.ready <- struct{}{}
		}
	}
}

// spawn starts the server and waits until it is ready.
func (m *manager) spawn() *manager {
	m.t.Helper()
	m.cmd = exec.Command(os.Args[0])
	names := []string{layout.FDNameTCP, layout.FDNameNcalrpc, layout.FDNamePipe}
	for _, l := range []interface{ File() (*os.File, error) }{m.tcp.(*net.TCPListener), m.ncalrpc.(*net.UnixListener), m.np.(*net.UnixListener)} {
		f, err := l.File()
		must(m.t, err)
		defer f.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
	}
	m.mu.Lock()
	for i, fd := range m.store {
		d, err := unix.Dup(fd)
		must(m.t, err)
		f := os.NewFile(uintptr(d), "")
		defer f.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
		names = append(names, m.names[i])
	}
	m.mu.Unlock()
	m.cmd.Env = append(os.Environ(), runtimeVariable+"="+layout.Runtime, "NOTIFY_SOCKET="+m.path,
		fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		"MSRPC_WORKER=3", "MSRPC_INDEX_BITS=16", "MSRPC_IDLE_SEC=0")
	m.cmd.Env = append(m.cmd.Env, m.vars...)
	m.cmd.Stderr = os.Stderr
	must(m.t, m.cmd.Start())
	cmd := m.cmd
	m.t.Cleanup(func() { cmd.Process.Kill() })
	select {
	case <-m.ready:
	case <-time.After(20 * time.Second):
		m.t.Fatal("the server does not start")
	}
	return m
}

// again ends the server by a signal and starts it again.
func (m *manager) again(signal syscall.Signal) {
	m.t.Helper()
	for m.line.Serving.Load() != 0 { // the client has its answer a moment before
		runtime.Gosched()
	}
	must(m.t, m.cmd.Process.Signal(signal))
	if err := m.cmd.Wait(); err != nil && signal == syscall.SIGTERM {
		m.t.Fatal(err)
	}
	sync, err := net.Dial("unixgram", m.path) // everything that it told is read
	must(m.t, err)
	defer sync.Close()
	sync.Write([]byte("SYNC"))
	<-m.ready
	m.spawn()
}

// aged waits until connections that are there now are old enough to be kept.
// There is no other sign of it than the time.
func (m *manager) aged() { <-time.After(keepAge + 500*time.Millisecond) }

var ends = map[string]syscall.Signal{"restart": syscall.SIGTERM, "crash": syscall.SIGKILL}

// reachable are the transports that the user of the test can come by.
func reachable() []layout.Transport {
	if os.Getuid() != 0 { // who is not root may not be a named pipe's peer
		return transports[:2]
	}
	return transports
}

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
					t.Errorf("round %d: the status file tells of %d connections", round, open)
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

// A group with a handle that can not be kept is not served without it.
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

// parkedHere is a parked connection of a loop that does not run.
func parkedHere(t *testing.T) (*loop, *conn) {
	t.Helper()
	s, _ := newTestServer()
	l, err := newLoop(s, environment{indexBits: 16}, slog.New(slog.DiscardHandler))
	must(t, err)
	l.lot = parking.New(func(int, int, int) bool { return true })
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(p[1]) })
	c := l.add(p[0], l.endpointIndex(endpoint.Endpoint{Transport: layout.Ncalrpc, Name: "TEST"}))
	if errno := l.park(c); errno != 0 || c.kept == nil || l.lot.Len() != 1 {
		t.Fatalf("%v, %d parked", errno, l.lot.Len())
	}
	return l, c
}

// Who authenticates himself after he was parked would else be anonymous after a
// crash.
func TestSecurityContextIsNotKept(t *testing.T) {
	l, c := parkedHere(t)
	c.state.security = &security{}
	c.settle(l)
	if c.kept != nil || l.lot.Len() != 0 {
		t.Error("it is still parked")
	}
}

func TestParkingLeavesDescriptorsToNewcomers(t *testing.T) {
	l, c := parkedHere(t)
	l.unpark(c)
	l.fdLimit = spareFDs + 2
	for _, tt := range []struct {
		open  int
		final bool
		want  unix.Errno
	}{{25, false, unix.EMFILE}, {24, false, unix.EMFILE}, {23, false, 0}, {2, true, unix.EMFILE}, {1, true, 0}} {
		l.open, l.final = tt.open, tt.final
		if errno := l.park(c); errno != tt.want {
			t.Errorf("%d of %d open, final %t: %v, want %v", tt.open, l.fdLimit, tt.final, errno, tt.want)
		}
		l.unpark(c)
	}
	l.open = 1
}

// TestInboxWaitsForDescriptors: what is received without room for its descriptor
// is lost, so that it stays in the inbox.
func TestInboxWaitsForDescriptors(t *testing.T) {
	l, _ := parkedHere(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	l.inbox = inbox.New(fd, inbox.Directories{})
	l.ep.Add(fd, unix.EPOLLIN, token(kindInbox, 0, 0))
	l.fdLimit = l.descriptors() + spareFDs
	l.takeInbox() // without a line: it would fail if it read
	if l.acceptAt == 0 || l.ep.Delete(fd) == 0 {
		t.Error("the inbox is still looked at")
	}
	l.resumeAccept()
	if l.acceptAt != 0 || l.ep.Delete(fd) != 0 {
		t.Error("the inbox is not looked at again")
	}
}

func TestNewestStateIsRead(t *testing.T) {
	l, c := parkedHere(t)
	for n := range uint16(100) {
		c.state.contexts = append(c.state.contexts, presentation{id: n, iface: l.srv.Interfaces[0]})
		if n%7 == 0 {
			c.state.contexts = c.state.contexts[:1]
		}
		if !l.save(c) {
			t.Fatal("not saved")
		}
		_, s, err := readSaved(c.kept.fd)
		if err != nil || len(s.contexts) != len(c.state.contexts) {
			t.Fatalf("%d contexts, %v; want %d", len(s.contexts), err, len(c.state.contexts))
		}
	}
	if c.kept.at > 3*maxSaved/1024 {
		t.Errorf("the file grows to %d bytes", c.kept.at)
	}
}
