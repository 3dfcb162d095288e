// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// TestUnitsAreClean: systemd has nothing to say about any unit. Its exit code
// would be 0 even with unknown keys.
func TestUnitsAreClean(t *testing.T) {
	h := boot(t).install()
	paths := strings.Fields(h.sh(`ls /run/systemd/generator/msrpc-* /usr/lib/systemd/system/msrpc* -d | grep -E '\.(service|socket|slice|path|target)$'`))
	if len(paths) < 30 {
		t.Fatalf("only %d units", len(paths))
	}
	var args []string
	for _, p := range paths {
		// A template is verified as an instance.
		dir, name := p[:strings.LastIndex(p, "/")+1], p[strings.LastIndex(p, "/")+1:]
		instance := "0"
		if strings.HasPrefix(name, "msrpc-broker@") {
			instance = "winreg"
		}
		args = append(args, dir+strings.Replace(name, "@.", "@"+instance+".", 1))
	}
	stdout, stderr, rc := h.Run(context.Background(), append([]string{"systemd-analyze", "verify", "--man=no"}, args...)...)
	if rc != 0 || stderr != "" || stdout != "" {
		t.Errorf("systemd-analyze verify: exit status %d\n%s%s", rc, stdout, stderr)
	}
}

// TestUnitsAreLoadedWhenNeeded: what systemd has in memory, and reads again at each
// daemon-reload, grows with what clients need.
func TestUnitsAreLoadedWhenNeeded(t *testing.T) {
	h := boot(t)
	count := func() int {
		return strings.Count(h.run("systemctl", "list-units", "--all", "--plain", "--no-legend"), "\n")
	}
	before := count()
	h.install()
	n := count() - before
	t.Logf("%d units more", n)
	if n > 150 {
		t.Errorf("systemd has %d units more than before, want 150 at most:\n%s", n, h.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "msrpc*"))
	}
	// A group for each of seven clients: ordinary workers, each opens the inbox of
	// the next but one.
	for i := range 7 {
		c := h.dial(winregNcalrpc)
		bindOn(t, c)
		if open := h.sh("ls /run/msrpc/winreg"); i == 0 {
			h.eventually(func() error {
				if open = h.sh("ls /run/msrpc/winreg"); !strings.Contains(open, "inbox-2") {
					return fmt.Errorf("inboxes: %s", open)
				}
				return nil
			})
		}
	}
	h.eventually(func() error {
		if u := h.run("systemctl", "list-units", "--plain", "--no-legend", "msrpc-worker-winreg@*.service"); strings.Count(u, "running") != 5 {
			return fmt.Errorf("want all five workers:\n%s", u)
		}
		return nil
	})
	h.fine()
	h.run("systemctl", "stop", "msrpc.target")
	h.eventually(func() error {
		if left := h.run("systemctl", "list-units", "--plain", "--no-legend", "msrpc*.socket", "msrpc*.service"); left != "" {
			return fmt.Errorf("left after a stop of the target:\n%s", left)
		}
		return nil
	})
}

// exposedAtMost compares a unit with what systemd-analyze says of its sandbox.
func (h *host) exposedAtMost(unit string, most float64) {
	h.t.Helper()
	out, _ := h.try("systemd-analyze", "security", "--no-pager", unit)
	m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		h.t.Fatalf("no exposure level in:\n%s", out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > most {
		h.t.Errorf("exposure level of %s is %s, want at most %.1f:\n%s", unit, m[1], most, out)
	}
}

func TestBrokerIsHardened(t *testing.T) {
	h := boot(t).install()
	h.load("-net", "unix", "-addr", winregNcalrpc)
	h.exposedAtMost("msrpc-broker@winreg.service", 0.4)
	// A user namespace would let it pretend to be root to a worker.
	check.Is(t, "RestrictNamespaces", "yes", h.property("msrpc-broker@winreg.service", "RestrictNamespaces"))
	// What the sandbox promises, seen from inside it.
	pid := h.property("msrpc-broker@winreg.service", "MainPID")
	other := h.run("ls", "/proc/"+pid+"/root/run/msrpc")
	if strings.TrimSpace(other) != "winreg" {
		t.Errorf("the broker of winreg sees the inboxes of %s", other)
	}
	status, err := h.ReadFile("/proc/" + pid + "/status")
	check.OK(t, err)
	for _, want := range []string{"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		h.contains(string(status), want)
	}
}

func TestVerifyIsContentOnAGoodHost(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	if out, rc := h.try("msrpcctl", "verify"); rc != 0 {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
	for _, command := range []string{"list", "status", "verify"} {
		if out := strings.TrimSpace(h.run("msrpcctl", command, "--json")); !strings.HasPrefix(out, "{") && !strings.HasPrefix(out, "[") {
			t.Errorf("msrpcctl %s --json: %s", command, out)
		}
	}
	h.contains(h.run("msrpcctl", "status", "winreg"), "winreg")
}

func TestVerifyFindsSambaDcerpcd(t *testing.T) {
	h := boot(t).install()
	h.sh("systemd-run -q --unit=stale " + h.dcerpcd() + " -F --libexec-rpcds")
	h.eventually(func() error {
		out, rc := h.try("msrpcctl", "verify")
		if rc != 1 || !strings.Contains(out, "samba-dcerpcd") {
			return fmt.Errorf("verify: exit status %d\n%s", rc, out)
		}
		return nil
	})
}
