// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/tests/tools/check"
)

func TestReplacedProgram(t *testing.T) {
	t.Run("no client is connected: the next one waits for a new instance", func(t *testing.T) {
		f := newFixture(t)
		f.startReady()
		f.program("# second")
		c := f.pipeClient()
		f.ended(0)
		if !f.inboxHolds() {
			t.Fatal("the client was taken")
		}
		f.version, f.told = "4.22.0", "4.22.0"
		f.startReady()
		c.body()
	})
	t.Run("with connections: drained", func(t *testing.T) {
		f := newFixture(t)
		f.startReady()
		a := f.pipeClient()
		a.body()
		f.program("# second")
		b := f.pipeClient()
		b.body()
		f.waitNotify("was replaced")
		if got := f.line().Flags.Load(); got != status.Ready|status.Draining {
			t.Errorf("flags %d", got)
		}
		a.Close()
		b.Close()
		f.ended(0)
		if n := strings.Count(f.output.String(), "2f558afac17f4a869c5746db242de20e"); n != 1 {
			t.Errorf("logged %d times\n%s", n, f.output.String())
		}
	})
	t.Run("gone: served on", func(t *testing.T) {
		f := newFixture(t)
		f.startReady()
		f.must(os.Remove(f.exec))
		f.pipeClient().body()
	})
}

// drains waits until the status line says that the worker takes no new group.
func (f *fixture) drains() {
	f.t.Helper()
	for late := time.Now().Add(deadline); f.line().Flags.Load() != status.Ready|status.Draining|status.Leaving; {
		if time.Now().After(late) {
			f.t.Fatalf("flags %d\n%s", f.line().Flags.Load(), f.output.String())
		}
		unix.Poll(nil, 1)
	}
	if f.line().Drains.Load() == 0 {
		f.t.Error("the status line does not say since when")
	}
}

func TestDrainServesClientsToTheirEnd(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	a := f.pipeClient()
	a.body()
	f.must(f.cmd.Process.Signal(unix.SIGWINCH))
	f.drains()
	b := f.pipeClient() // of a group that is there
	b.body()
	f.must(f.cmd.Process.Signal(unix.SIGWINCH))
	f.waitNotify("ends with the last one, asked for by SIGWINCH")
	a.Close()
	b.Write([]byte("x"))
	b.rest("x")
	b.Close()
	f.ended(0)
	if n := strings.Count(f.output.String(), "2f558afac17f4a869c5746db242de20e"); n != 1 {
		t.Errorf("logged %d times\n%s", n, f.output.String())
	}
}

func TestDrainWithoutClientsEndsAtOnce(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	f.must(f.cmd.Process.Signal(unix.SIGWINCH))
	f.ended(0)
}

func TestDrainOfAWorkerThatStarts(t *testing.T) {
	f := newFixture(t)
	f.mode = "slow"
	c := f.pipeClient()
	f.start()
	for f.line().ChildPID.Load() == 0 {
		unix.Poll(nil, 1)
	}
	f.must(f.cmd.Process.Signal(unix.SIGWINCH))
	f.ended(0)
	if !f.inboxHolds() {
		t.Fatal("the client was taken")
	}
	f.startReady()
	c.body()
}

// A worker that is asked to stop serves on for a while, members of its groups
// too; who stays is closed in the end.
func TestStopLetsClientsEnd(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	a := f.pipeClient()
	a.body()
	f.must(f.cmd.Process.Signal(unix.SIGTERM))
	f.drains()
	b := f.pipeClient()
	b.body()
	b.Write([]byte("x"))
	b.rest("x")
	f.must(f.cmd.Process.Signal(unix.SIGHUP)) // and is no second wish to stop
	f.waitDatagram(f.events, "hup")
	f.waitNotify("STATUS=Stopping, connections: 2; they have until ")
	b.Close()
	a.closed()
	f.ended(0)
	if !f.output.has("1 connection did not end in time") {
		t.Error(f.output.String())
	}
}

func TestStopEndsWithTheLastClient(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	a := f.pipeClient()
	a.body()
	start := time.Now()
	f.must(f.cmd.Process.Signal(unix.SIGTERM))
	f.drains()
	a.Close()
	f.ended(0)
	if d := time.Since(start); d >= leaveWait {
		t.Errorf("it took %v, as long as a client that stays has", d)
	}
}

// Hand-overs that are refused are no activity: the worker goes when it is idle.
func TestRefusedHandOversKeepNoWorker(t *testing.T) {
	f := newFixture(t)
	f.extra = []string{"MSRPC_IDLE_SEC=1"}
	f.startReady()
	ended := make(chan int)
	go func() { ended <- f.wait() }()
	for {
		c := f.connect(layout.NP, "winreg")
		m := f.pipeMessage()
		m.NPA, m.NPALevel = nil, 0
		// Without waiting: once it ends, no process takes them from the inbox.
		err := unix.Sendmsg(f.sender, m.Append(nil), unix.UnixRights(int(c.server.Fd())), nil, unix.MSG_DONTWAIT)
		if err != unix.EAGAIN {
			f.must(err)
		}
		c.server.Close()
		select {
		case code := <-ended:
			if code != 0 {
				t.Errorf("exit code %d\n%s", code, f.output.String())
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if f.line().Received.Load() > 500 {
			t.Fatal("it does not end")
		}
	}
}

func TestTimeoutOfTheUnitIsDivided(t *testing.T) {
	sec := uint64(1e6)
	for _, tt := range []struct {
		usec         uint64
		ok           bool
		limit, press time.Duration
	}{
		{60 * sec, true, 54 * time.Second, 2 * time.Second},
		{12 * sec, true, 6 * time.Second, 2 * time.Second},
		{3 * sec, true, 1500 * time.Millisecond, 500 * time.Millisecond},
		{0, false, event.Never / 2, 2 * time.Second},
		{1 << 63, true, event.Never / 2, 2 * time.Second},
	} {
		o := limits(tt.usec, tt.ok)
		if o.limit != tt.limit || o.press != tt.press {
			t.Errorf("%d us: %v, then %v each; want %v, %v", tt.usec, o.limit, o.press, tt.limit, tt.press)
		}
	}
}

func TestStopOfTheTargetIsKnown(t *testing.T) {
	now := 100 * time.Second
	at := func(state string, inactive uint64) systemctl.Properties {
		return systemctl.Properties{"ActiveState": state, "InactiveEnterTimestampMonotonic": inactive * 1e6}
	}
	for _, tt := range []struct {
		name string
		p    systemctl.Properties
		want bool
	}{
		{"active since boot", at("active", 0), false},
		{"stopped", at("inactive", 99), true},
		{"stops", at("deactivating", 0), true},
		{"restarted just now", at("active", 99), true},
		{"restarted long ago", at("active", 50), false},
		{"not said", systemctl.Properties{}, true},
	} {
		check.Is(t, tt.name, tt.want, targetStops(tt.p, now))
	}
}
