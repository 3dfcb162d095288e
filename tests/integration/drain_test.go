// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/check"
)

// Workers drain: sessions that are open are served to their end, new clients
// are served elsewhere.

// sessions are real clients that call every 0.2 s, in connections of their own.
type sessions struct {
	h     *host
	n     int
	count string
}

// clientWays are the ways of rpcclient: through smbd, TCP with NTLMSSP, and
// ncalrpc.
const clientWays = `
call() { for i in $(seq 4); do
	(while [ ! -e /tmp/end ]; do echo "$1"; sleep .2; done; echo quit) | timeout 100 rpcclient "$2" -U root%PASSWORD >"/tmp/session.$3.$i" 2>&1 &
done; }
rm -f /tmp/end /tmp/session.*
call srvinfo 127.0.0.1 np
call enumdomusers 'ncacn_ip_tcp:127.0.0.1' tcp
call lsaquery 'ncalrpc:' ncalrpc
`

// sessions opens them, and returns when each has had an answer.
func (h *host) sessions() *sessions {
	h.t.Helper()
	s := &sessions{h: h, n: 12, count: "grep -c -E 'platform_id|user:|Domain Name' /tmp/session.* || :"}
	h.MustStart(h.t, "sh", "-c", strings.ReplaceAll(clientWays, "PASSWORD", password)+"wait")
	s.answered(2)
	return s
}

// answered waits until each session has had n more answers.
func (s *sessions) answered(n int) {
	s.h.t.Helper()
	counts := func() (all []int) {
		for _, line := range strings.Fields(s.h.sh(s.count)) {
			var n int
			fmt.Sscanf(line[strings.LastIndex(line, ":")+1:], "%d", &n)
			all = append(all, n)
		}
		return all
	}
	before := counts()
	s.h.eventually(func() error {
		now := counts()
		if len(now) != s.n {
			return fmt.Errorf("%d sessions", len(now))
		}
		for i := range now {
			was := 0
			if i < len(before) {
				was = before[i]
			}
			if now[i] < was+n {
				return fmt.Errorf("session %d of %d has had %d answers more: %s", i, s.n, now[i]-was, s.h.sh("tail -n 2 /tmp/session.*"))
			}
		}
		return nil
	})
}

// kept ends the sessions and fails for each that was broken.
func (s *sessions) kept() {
	s.h.t.Helper()
	s.answered(2)
	if out := s.h.sh("grep -E 'NT_STATUS|failed' /tmp/session.* || :"); out != "" {
		s.h.t.Errorf("sessions were broken:\n%s", out)
	}
	s.h.sh("touch /tmp/end")
}

func TestDrainServesSessionsToTheirEnd(t *testing.T) {
	h := boot(t).install().smbd()
	s := h.sessions()
	before := strings.Fields(h.sh("pgrep -f 'rpcd_(classic|lsad)' | sort"))
	_, result := h.loading("-net", "unix", "-addr", winregNcalrpc, "-rate", "200", "-n", "0", "-c", "16", "-d", "6s")
	out, rc := h.try("msrpcctl", "drain", "--all", "--timeout", "2s")
	if rc != 1 || !strings.Contains(out, "classic@0 has ") || !strings.Contains(out, "drains for 2s") {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
	h.works()
	for _, p := range before {
		if !strings.Contains(h.sh("pgrep -f 'rpcd_(classic|lsad)'"), p) {
			t.Errorf("process %s, which has sessions, has ended", p)
		}
	}
	s.kept()
	if out, rc := h.try("msrpcctl", "drain", "--all", "--timeout", "20s"); rc != 0 {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
	h.works()
	if r := result(); r.Failed > 0 || r.Conns < 500 {
		t.Errorf("new clients meanwhile: %+v", r)
	}
	out, _ = h.try("setpriv", "--reuid", "nobody", "--clear-groups", "msrpcctl", "drain", "winreg")
	h.contains(out, "run this as root")
}

// newClients runs while the fault happens; no new client may be refused.
func (h *host) newClients(happen func()) {
	h.t.Helper()
	p, result := h.loading("-net", "unix", "-addr", winregNcalrpc, "-rate", "200", "-n", "0", "-c", "16", "-d", "100s", "-timeout", "30s")
	smb := h.smbLoop()
	happen()
	p.Kill(syscall.SIGTERM)
	if r := result(); r.Failed > 0 || r.Conns < 50 {
		h.t.Errorf("new clients over ncalrpc: %+v", r)
	}
	if r := smb.end(); r.Failed > 0 || r.Conns == 0 {
		h.t.Errorf("new clients of smbd: %+v", r)
	}
}

// restarting runs a command in the background and returns when the workers that
// have clients let these end; the function that is returned waits for it.
func (h *host) restarting(args ...string) (wait func()) {
	h.t.Helper()
	p := h.MustStart(h.t, args...)
	h.eventually(func() error {
		if text := h.property("msrpc-worker-classic@0.service", "StatusText"); !strings.Contains(text, "they have until") {
			return fmt.Errorf("worker 0 of classic: %s", text)
		}
		return nil
	})
	return func() {
		h.t.Helper()
		if rc := p.Wait(); rc != 0 {
			h.t.Errorf("%v: exit status %d: %s", args, rc, p.Output())
		}
	}
}

// What needrestart, an administrator or a package's script does.
func TestRestartsOfServicesKeepSessions(t *testing.T) {
	h := boot(t).install().smbd()
	for _, args := range [][]string{
		{"systemctl", "restart", "msrpc-worker-*.service"},
		{"systemctl", "try-restart", "msrpc-broker@*.service", "msrpc-worker-*.service"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			in := *h
			in.t = t
			in.newClients(func() {
				s := in.sessions()
				wait := in.restarting(args...)
				s.answered(5)
				s.kept()
				wait()
			})
		})
	}
	h.contains(h.journal("-o", "cat", "-u", "msrpc-worker-classic@0.service"), "connections have 54s to end")
	h.works()
}

func TestStopOfAWorkerEndsInTime(t *testing.T) {
	h := boot(t, file("/etc/systemd/system/msrpc-worker-.service.d/stop.conf", "[Service]\nTimeoutStopSec=60\n"),
		file("/etc/systemd/system/msrpc-worker-winreg@.service.d/stop.conf", "[Service]\nTimeoutStopSec=4s\n")).install()
	const unit = "msrpc-worker-winreg@0.service"
	h.hold(1, h.ways()[0])
	start := time.Now()
	h.run("systemctl", "restart", unit)
	if d := time.Since(start); d < 1500*time.Millisecond || d > 3500*time.Millisecond {
		t.Errorf("a client that stays had %v of 4 s", d)
	}
	if log := h.journal("-o", "cat", "-u", unit); !strings.Contains(log, "have 2s to end") || !strings.Contains(log, "did not end in time") || strings.Contains(log, "SIGKILL") {
		t.Errorf("journal:\n%s", log)
	}
}

// No client that never leaves holds up a stop of everything.
func TestStopOfEverythingDoesNotWaitForIdleClients(t *testing.T) {
	// As poweroff.target and reboot.target begin.
	h := boot(t, file("/etc/systemd/system/off.target", "[Unit]\nDefaultDependencies=no\nRequires=shutdown.target\nAfter=shutdown.target\n")).install()
	for _, what := range [][]string{
		{"systemctl", "stop", "msrpc.target"},
		{"systemctl", "restart", "msrpc.target"},
		{"systemctl", "start", "--no-block", "off.target"},
	} {
		h.run("systemctl", "start", "msrpc.target")
		for _, w := range h.ways() {
			h.hold(2, w)
		}
		start := time.Now()
		before := strings.Fields(h.sh("pgrep -x rpcd_winreg"))
		h.run(what...)
		h.eventually(func() error {
			for _, pid := range before {
				if _, rc := h.try("kill", "-0", pid); rc == 0 {
					return fmt.Errorf("process %s runs", pid)
				}
			}
			return nil
		})
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("%v took %v", what, d)
		}
	}
}

// Without another worker and a spare, new clients wait for the end of the one
// that stops, and are served then.
func TestNewClientsWaitForAWorkerThatIsAlone(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nWorkers=1\nSpares=0\n"),
		file("/etc/systemd/system/msrpc-worker-winreg@.service.d/stop.conf", "[Service]\nTimeoutStopSec=10s\n")).install()
	w := h.ways()[0]
	h.hold(1, w)
	p := h.MustStart(t, "systemctl", "restart", "msrpc-worker-winreg@0.service")
	h.eventually(func() error {
		if flags := h.winreg().Worker(0).Flags.Load(); flags&status.Leaving == 0 {
			return fmt.Errorf("flags %d", flags)
		}
		return nil
	})
	if r := h.load(append([]string{"-n", "40", "-c", "40", "-timeout", "30s"}, w.args...)...); r.Conns != 40 || r.P50 < 2e6 {
		t.Errorf("new clients: %+v", r)
	}
	p.Wait()
}

// A worker's group is served by it until its end.
func TestMembersOfAGroupComeToAWorkerThatDrains(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nWorkers=1\n")).install()
	c := h.dial(winregNcalrpc)
	group := bindOn(t, c)
	h.try("msrpcctl", "drain", "winreg", "--timeout", "300ms")
	check.Is(t, "group", group, bindTo(t, h.dial(winregNcalrpc), group))
	if got := bindOn(t, h.dial(winregNcalrpc)); got>>16 == group>>16 {
		t.Errorf("a new client came to the worker that drains: group %08x", got)
	}
}
