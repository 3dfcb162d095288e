// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/tests/tools/check"
)

// How an adaptor starts, and what it refuses.

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
		}, "Samba 4.17.12 has room for 256 workers; run msrpcctl refresh"},
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
	check.Is(t, "connections", "received 1 closed 1", f.counts())
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
	check.Is(t, "an argument: exit code", 2, Main([]string{"--help"}))
}
