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

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/check"
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
			check.Is(t, "connections", "received 2 closed 0", f.counts())
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
	check.Is(t, "connections", "received 1 closed 1", f.counts())
}

func TestClientsThatEndWithoutAStatusAreSettled(t *testing.T) {
	f := newFixture(t)
	f.mode = "undecodable"
	f.extra = []string{"MSRPC_IDLE_SEC=1"}
	f.startReady()
	c := f.pipeClient()
	c.closed()
	check.Is(t, "connections", "received 1 closed 0", f.counts())
	f.ended(0)
	check.Is(t, "connections", "received 1 closed 1", f.counts())
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
	check.Is(t, "connections", "received 13 closed 12", f.counts())
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
		check.Is(t, "connections", "received 1 closed 1", f.counts())
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
