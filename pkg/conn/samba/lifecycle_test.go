// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
)

// bus lists what is left of Samba's messaging.
func (f *fixture) bus() (left []string) {
	for _, d := range []string{"msg.sock", "msg.lock"} {
		entries, err := os.ReadDir(filepath.Join(f.dir, d))
		f.must(err)
		for _, e := range entries {
			left = append(left, d+"/"+e.Name())
		}
	}
	return left
}

// ended asserts how the adaptor ended, and that nothing is left of it.
func (f *fixture) ended(want int) {
	f.t.Helper()
	if code := f.wait(); code != want {
		f.t.Fatalf("exit code %d, want %d\n%s", code, want, f.output.String())
	}
	if left := f.bus(); left != nil {
		f.t.Errorf("left behind: %v", left)
	}
	l := f.line()
	if l.PID.Load() != 0 || l.ChildPID.Load() != 0 || l.Flags.Load() != 0 || f.file.WorkerAlive(fixtureIndex) {
		f.t.Errorf("status line: pid %d child %d flags %d", l.PID.Load(), l.ChildPID.Load(), l.Flags.Load())
	}
}

// inboxHolds tells whether something is in the inbox.
func (f *fixture) inboxHolds() bool {
	_, _, err := unix.Recvfrom(int(f.inbox.Fd()), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil
}

func TestClientsWaitInTheInboxUntilTheRpcdIsReady(t *testing.T) {
	f := newFixture(t)
	c := f.pipeClient()
	f.start()
	if m := f.waitNotify("READY=1"); !strings.Contains(m, "STATUS=Serving") {
		t.Errorf("told %q", m)
	}
	c.body()
	l := f.line()
	if int(l.PID.Load()) != f.cmd.Process.Pid || l.ChildPID.Load() == 0 || l.Flags.Load() != status.Ready || l.StartID.Load() == 0 || !f.file.WorkerAlive(fixtureIndex) {
		t.Errorf("status line: pid %d child %d flags %d", l.PID.Load(), l.ChildPID.Load(), l.Flags.Load())
	}
	for dir, mode := range map[string]os.FileMode{"msg.sock": 0o700, "msg.lock": 0o755} {
		if st, err := os.Stat(filepath.Join(f.dir, dir)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", dir, st.Mode(), err)
		}
	}
	id, err := os.ReadFile(filepath.Join(f.dir, "msg.lock", strconv.Itoa(f.cmd.Process.Pid)))
	if _, err2 := strconv.ParseUint(strings.TrimSuffix(string(id), "\n"), 10, 64); err != nil || err2 != nil {
		t.Errorf("lock file %q: %v %v", id, err, err2)
	}
}

func TestStatusesOfEveryLayoutAreCounted(t *testing.T) {
	for _, version := range []string{"4.16.4", "4.17.12", "4.22.0"} {
		t.Run(version, func(t *testing.T) {
			f := newFixture(t)
			f.version, f.told = version, version
			f.startReady()
			a, b := f.pipeClient(), f.pipeClient()
			a.body()
			b.body()
			if got := f.counts(); got != "received 2 closed 0" {
				t.Error(got)
			}
			a.Close()
			if m := f.waitNotify("STATUS=Serving, connections: 1"); strings.Contains(m, "association") != (version == "4.22.0") {
				t.Errorf("told %q", m)
			}
			if got := f.counts(); got != "received 2 closed 1" || f.line().Groups.Load() != 1 {
				t.Errorf("%s groups %d", got, f.line().Groups.Load())
			}
		})
	}
}

func TestIdleWorkerExits(t *testing.T) {
	f := newFixture(t)
	f.extra = []string{"MSRPC_IDLE_SEC=1"}
	f.startReady()
	c := f.pipeClient()
	c.body()
	// with a client it asks the rpcd again and again, and stays
	f.waitNotify("STATUS=Serving, connections: 1")
	c.Write([]byte("x"))
	c.rest("x")
	c.Close()
	f.waitNotify("STOPPING=1")
	f.ended(0)
	if got := f.counts(); got != "received 1 closed 1" {
		t.Error(got)
	}
}

func TestClientsThatEndWithoutAStatusAreSettled(t *testing.T) {
	f := newFixture(t)
	f.mode = "undecodable"
	f.extra = []string{"MSRPC_IDLE_SEC=1"}
	f.startReady()
	c := f.pipeClient()
	c.closed()
	if got := f.counts(); got != "received 1 closed 0" {
		t.Error(got)
	}
	f.ended(0)
	if got := f.counts(); got != "received 1 closed 1" {
		t.Error(got)
	}
}

func TestHandOversLostWithAnEarlierInstanceAreSettled(t *testing.T) {
	f := newFixture(t)
	l := f.line()
	l.Received.Store(10) // of them, 3 were open
	l.Closed.Store(7)
	f.file.Sent(fixtureIndex).Sent.Store(12) // and 2 were lost on their way
	c := f.pipeClient()
	f.startReady()
	c.body()
	f.waitNotify("STATUS=Serving, connections: 1")
	if got := f.counts(); got != "received 13 closed 12" {
		t.Error(got)
	}
}

func TestSignals(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	f.must(f.cmd.Process.Signal(unix.SIGHUP))
	f.waitDatagram(f.events, "hup")
	c := f.pipeClient()
	c.body()
	f.must(f.cmd.Process.Signal(unix.SIGTERM))
	c.closed()
	f.ended(0)
}

func TestStubbornRpcdIsKilled(t *testing.T) {
	f := newFixture(t)
	f.mode = "stubborn"
	f.startReady()
	f.must(f.cmd.Process.Signal(unix.SIGTERM))
	f.ended(0)
}

func TestShutdownMessageOfSambaStopsTheWorker(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	f.must(err)
	defer unix.Close(fd)
	o := NewOutgoing(0)
	o.Finish(ServerID{}, ServerID{PID: 1}, MsgShutdown, 0)
	d, _ := o.Datagram()
	f.must(unix.Sendto(fd, d, 0, &unix.SockaddrUnix{Name: fmt.Sprintf("%s/msg.sock/%d", f.dir, f.cmd.Process.Pid)}))
	f.ended(0)
}

func TestRpcdThatEndsFailsTheUnit(t *testing.T) {
	t.Run("before it is ready", func(t *testing.T) {
		f := newFixture(t)
		f.mode = "dies"
		c := f.pipeClient()
		f.start()
		f.ended(1)
		for _, want := range []string{f.exec, "exit status 3 before it was ready", "journalctl -u msrpc-worker-test@2.service", "40a128b1c9a944e58f0a4ae998509581"} {
			if !strings.Contains(f.output.String(), want) {
				t.Errorf("%q is missing in\n%s", want, f.output.String())
			}
		}
		// the client has lost nothing
		f.mode = ""
		f.startReady()
		c.body()
	})
	t.Run("while it serves", func(t *testing.T) {
		f := newFixture(t)
		f.startReady()
		c := f.pipeClient()
		c.body()
		f.must(unix.Kill(int(f.line().ChildPID.Load()), unix.SIGKILL))
		c.closed()
		f.ended(1)
		if !strings.Contains(f.output.String(), "by signal SIGKILL") {
			t.Error(f.output.String())
		}
		f.startReady()
		if got := f.counts(); got != "received 1 closed 1" {
			t.Error(got)
		}
	})
	t.Run("that is not there", func(t *testing.T) {
		f := newFixture(t)
		f.must(os.Remove(f.exec))
		f.start()
		f.ended(1)
		if !strings.Contains(f.output.String(), "no such file or directory; if it is no longer installed, run msrpcctl refresh") {
			t.Error(f.output.String())
		}
	})
}

func TestVersionIsAskedOfTheProgramWhenTheUnitIsOld(t *testing.T) {
	tests := []struct{ name, version, told, id string }{
		{"status of another length", "4.22.0", "4.17.12", ""},
		{"another program", "4.19.1", "4.17.12", "1:2:3"},
		{"not told", "4.17.3", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.version, f.told = tt.version, tt.told
			f.extra = []string{"MSRPC_EXEC_ID=" + tt.id}
			f.startReady()
			c := f.connect(layout.Ncalrpc, "x")
			c.Write(bind(t))
			binding := []byte("ncalrpc:[x]")
			c.give(handoff.Message{FragLength: uint16(len(bind(t))), Binding: binding})
			guest, err := lookupGuest("root")
			f.must(err)
			guest.NetbiosName = "HOST"
			want := NewAnonymous(layoutOf(t, tt.version), guest).AppendLocal(bodyWith(bind(t)), binding, []byte(f.dir+"/ncalrpc/x"), true)
			if got := clean(t, c.body()); string(got) != string(want) {
				t.Errorf("body is not that of samba %s:\n%x\n%x", tt.version, want, got)
			}
		})
	}
}

func TestStartIsRefusedClearly(t *testing.T) {
	tests := []struct {
		name string
		prep func(*fixture)
		want string
	}{
		{"wrong mode of msg.sock", func(f *fixture) { f.must(os.Mkdir(f.dir+"/msg.sock", 0o755)) }, "chmod 700 "},
		{"no status file", func(f *fixture) { f.must(os.Remove(f.dir + "/run/test/status")) }, "systemctl reload-or-restart msrpc-preflight.service"},
		{"index beyond the status file", func(f *fixture) { f.extra = []string{"MSRPC_WORKER=4000"} }, "has no line for worker 4000; run msrpcctl refresh"},
		{"index beyond Samba's bits", func(f *fixture) {
			f.must(status.Prepare(f.dir+"/run/test/status", 400, os.Geteuid(), os.Getegid()))
			f.extra = []string{"MSRPC_WORKER=300"}
		}, "samba 4.17.12 has room for 256 workers; run msrpcctl refresh"},
		{"no inbox", func(f *fixture) { f.inbox, _ = os.Open("/dev/null") }, "needs ListenDatagram= with a path"},
		{"inbox without credentials", func(f *fixture) {
			f.must(unix.SetsockoptInt(int(f.inbox.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 0))
		}, "needs PassCredentials=yes"},
		{"old Samba", func(f *fixture) { f.told = "4.15.2" }, "4.16.0 is the first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.prep(f)
			f.start()
			if code := f.wait(); code != 1 || !strings.Contains(f.output.String(), tt.want) {
				t.Errorf("exit code %d, want 1 and %q in\n%s", code, tt.want, f.output.String())
			}
		})
	}
	t.Run("second instance", func(t *testing.T) {
		f := newFixture(t)
		f.startReady()
		first := f.cmd
		f.start()
		if code := f.wait(); code != 1 || !strings.Contains(f.output.String(), fmt.Sprintf("worker 2 of rpcd test runs already as process %d", first.Process.Pid)) {
			t.Errorf("exit code %d\n%s", code, f.output.String())
		}
		f.pipeClient().body()
		f.cmd = first
		f.must(f.cmd.Process.Signal(unix.SIGTERM))
		f.ended(0)
	})
}

func TestWithoutGuestAccountOnlyPipesAreServed(t *testing.T) {
	f := newFixture(t)
	f.extra = []string{"MSRPC_GUEST_ACCOUNT=no-such-user"}
	f.startReady()
	c := f.connect(layout.Ncalrpc, "x")
	c.Write(bind(t))
	c.give(handoff.Message{FragLength: uint16(len(bind(t))), Binding: []byte("ncalrpc:[x]")})
	c.closed()
	f.pipeClient().body()
	if !f.output.has("no-such-user") || !f.output.has(errNoGuest.Error()) {
		t.Error(f.output.String())
	}
}

// What arrives after the rpcd has died is left to the next instance, even if
// its death is not yet known.
func TestInboxIsLeftAloneOnceTheRpcdIsGone(t *testing.T) {
	f := newFixture(t)
	w, inbox, child := inProcess(f)
	w.inboxReady = true
	w.exec, _ = program.NewFile(f.exec)
	w.execID, _ = w.exec.ID()
	var clients []*client
	for range 3 {
		c := f.connect(layout.NP, "winreg")
		c.Write(framed(bind(t)))
		m := f.pipeMessage()
		f.must(unix.Sendmsg(inbox, m.Append(nil), unix.UnixRights(int(c.server.Fd())), nil, 0))
		c.server.Close()
		clients = append(clients, c)
	}
	f.must(unix.Shutdown(child, unix.SHUT_RD))
	w.takeAll()
	w.takeAll()
	clients[0].closed()
	if got := f.counts(); got != "received 1 closed 1" {
		t.Error(got)
	}
}

func TestFilesOfAKilledInstanceAreRemoved(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	child := int(f.line().ChildPID.Load())
	pidfd, err := unix.PidfdOpen(child, 0)
	f.must(err)
	defer unix.Close(pidfd)
	f.must(f.cmd.Process.Kill())
	f.wait()
	unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(deadline.Milliseconds()))
	if len(f.bus()) != 4 {
		t.Fatalf("a killed instance left %v", f.bus())
	}
	f.startReady()
	f.must(f.cmd.Process.Signal(unix.SIGTERM))
	f.ended(0)
}

func TestWhatTheUnitTellsIsCheckedBeforeTheRpcdStarts(t *testing.T) {
	for _, tt := range []struct{ variable, want string }{
		{"MSRPC_RPCD=../x", "MSRPC_RPCD"}, {"MSRPC_WORKER=4096", "a number from 0 to 4095"}, {"MSRPC_EXEC=rpcd", "an absolute path"},
		{"MSRPC_NP_DIR=", "MSRPC_NP_DIR"}, {"MSRPC_IDLE_SEC=-1", "msrpcctl refresh writes this variable"},
	} {
		f := newFixture(t)
		f.extra = []string{tt.variable}
		f.start()
		if code := f.wait(); code != 2 || !strings.Contains(f.output.String(), tt.want) {
			t.Errorf("%s: exit code %d, want 2 and %q in\n%s", tt.variable, code, tt.want, f.output.String())
		}
	}
	if code := Main([]string{"--help"}); code != 2 {
		t.Errorf("an argument: exit code %d, want 2", code)
	}
}
