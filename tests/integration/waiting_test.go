// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/check"
)

// statusFile maps the status file of an rpcd of the box. The preflight makes it,
// which the target does not wait for.
func (h *host) statusFile(name string) *status.File {
	h.t.Helper()
	var f *status.File
	h.eventually(func() (err error) {
		f, err = status.Open(h.Path("/run/msrpc/"+name+"/status"), false)
		return err
	})
	h.t.Cleanup(func() { f.Close() })
	return f
}

// oneWorker lets winreg have a single worker.
func oneWorker(o *sandboxOptions) {
	file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nWorkers=1\n")(o)
}

func TestKilledWorkerLosesNobodyWhoWasQueued(t *testing.T) {
	h := boot(t, oneWorker).install()
	h.load("-net", "unix", "-addr", winregNcalrpc)
	f := h.statusFile("winreg")
	unit := "msrpc-worker-winreg@0.service"
	for round := range 3 {
		h.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", unit)
		_, result := h.loading("-net", "unix", "-addr", winregNcalrpc, "-c", "60", "-n", "60")
		h.eventually(func() error {
			if n := f.Sent(0).Sent.Load() - f.Worker(0).Received.Load(); n < 60 {
				return fmt.Errorf("%d hand-overs are queued, want 60", n)
			}
			return nil
		})
		h.run("systemctl", "kill", "-s", "KILL", unit)
		if r := result(); r.Conns != 60 || r.Failed != 0 {
			t.Errorf("round %d: %+v", round, r)
		}
	}
}

func TestBrokerRestartsUnderLoadLoseNobody(t *testing.T) {
	h := boot(t).install()
	addr := "127.0.0.1:" + h.port("winreg")
	h.load("-addr", addr, "-c", "8", "-n", "50")
	_, result := h.loading("-addr", addr, "-rate", "500", "-n", "0", "-c", "16", "-d", "8s")
	_, slow := h.loading("-addr", addr, "-rate", "100", "-n", "0", "-c", "32", "-d", "8s", "-silence", "200ms")
	_, bytewise := h.loading("-net", "unix", "-addr", winregNcalrpc, "-rate", "50", "-n", "0", "-c", "4", "-d", "8s", "-bytewise")
	for range 10 {
		h.run("systemctl", "restart", "msrpc-broker@winreg.service")
	}
	for name, r := range map[string]loadResult{"at once": result(), "after 200 ms": slow(), "byte by byte": bytewise()} {
		t.Logf("binds %s: %+v", name, r)
		if r.Failed > 0 || r.Conns < 100 {
			t.Errorf("binds %s: %+v", name, r)
		}
	}
}

func TestParkedClientOutlivesTheKilledBroker(t *testing.T) {
	h := boot(t).install()
	unit := "msrpc-broker@winreg.service"
	c := h.dial(winregNcalrpc)
	f := h.statusFile("winreg")
	h.eventually(func() error {
		if f.Broker().Parked.Load() == 0 {
			return fmt.Errorf("the client is not parked")
		}
		return nil
	})
	for range 3 {
		pid := h.property(unit, "MainPID")
		h.run("systemctl", "kill", "-s", "KILL", unit)
		h.eventually(func() error {
			if now := h.property(unit, "MainPID"); now == pid || now == "0" {
				return fmt.Errorf("the broker is not back")
			}
			return nil
		})
	}
	h.eventually(func() error { // right after the fork it is still systemd's
		env, err := h.ReadFile("/proc/" + h.property(unit, "MainPID") + "/environ")
		if err != nil || !strings.Contains(string(env), "parking") {
			return fmt.Errorf("LISTEN_FDNAMES has no parking: %q, %v", env, err)
		}
		return nil
	})
	bindOn(t, c)
}

func TestGroupsStayOnTheirWorker(t *testing.T) {
	h := boot(t).install()
	var groups []uint32
	for range 7 {
		groups = append(groups, bindOn(t, h.dial(winregNcalrpc)))
	}
	for _, g := range groups {
		if got := bindTo(t, h.dial(winregNcalrpc), g); got != g {
			t.Errorf("joined group %#x, got %#x", g, got)
		}
	}
	h.run("systemctl", "restart", "msrpc-broker@winreg.service")
	for _, g := range groups {
		if got := bindTo(t, h.dial(winregNcalrpc), g); got != g {
			t.Errorf("after a restart of the broker: joined group %#x, got %#x", g, got)
		}
	}
	c := h.dial(winregNcalrpc)
	c.Write(winregBind(groups[0] + 0x100))
	if b, err := answer(c); err != nil || b[2] != 13 {
		t.Errorf("a group that is not there: %x, %v; want bind_nak", b, err)
	}
}

// TestThousandsOfSilentClients: they cost a talking one nothing, and a restart
// and a crash of the broker keep them all.
func TestThousandsOfSilentClients(t *testing.T) {
	const n = 3000
	h := boot(t, file("/etc/msrpcd/msrpcd.conf", "[Msrpcd]\nMaxUnbound=10000\nMaxUnboundPerSource=10000\n"), file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50555\n")).install()
	unit := "msrpc-broker@winreg.service"
	silent := h.Command(context.Background(), "bindload", "-addr", "127.0.0.1:50555", "-n", fmt.Sprint(n), "-silent")
	input, err := silent.StdinPipe()
	check.OK(t, err)
	var out bytes.Buffer
	silent.Stdout, silent.Stderr = &out, &out
	check.OK(t, silent.Start())
	f := h.statusFile("winreg")
	parked := func() error {
		if p := f.Broker().Parked.Load(); p != n {
			return fmt.Errorf("%d of %d are parked; bindload: %s", p, n, out.String())
		}
		return nil
	}
	h.eventually(parked)
	if r := h.load("-addr", "127.0.0.1:50555", "-n", "20"); r.Conns != 20 || r.Max > 100_000 && r.P50 > 100_000 {
		t.Errorf("talking clients meanwhile: %+v", r)
	}
	h.run("systemctl", "restart", unit)
	h.eventually(parked)
	pid := h.property(unit, "MainPID")
	h.run("systemctl", "kill", "-s", "KILL", unit)
	h.eventually(func() error {
		if now := h.property(unit, "MainPID"); now == pid || now == "0" {
			return fmt.Errorf("the broker is not back")
		}
		return parked()
	})
	fmt.Fprintln(input)
	if err := silent.Wait(); err != nil {
		t.Error(err)
	}
	if r := parseLoad(t, out.String()); r.Conns != n || r.Failed != 0 {
		t.Errorf("after restart and crash: %+v", r)
	}
}
