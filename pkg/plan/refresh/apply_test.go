// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

func planOf(names ...string) *plan.Plan {
	p := &plan.Plan{}
	for _, n := range names {
		p.Rpcds = append(p.Rpcds, plan.Rpcd{Values: setting.Values{Name: n}, Listeners: []plan.Listener{
			{Transport: layout.NP, Unit: layout.ListenerSocket(layout.NP, n), Nodes: []string{"/np/" + n}},
			{Transport: layout.TCP, Unit: layout.ListenerSocket(layout.TCP, n), Nodes: []string{":50000"}, Ports: []int{50000}},
		}})
	}
	return p
}

// files are the units of such a plan, short.
func files(names ...string) map[string]string {
	m := map[string]string{}
	for _, n := range names {
		m[layout.ListenerSocket(layout.NP, n)] = "np"
		m[layout.ListenerSocket(layout.TCP, n)] = "tcp"
		m[layout.BrokerService(n)+".d/10-listeners.conf"] = "broker"
		m[layout.InboxTemplate(n)] = "inbox"
	}
	return m
}

// native is a plan of native rpcds, with or without a broker.
func native(direct bool, names ...string) *plan.Plan {
	p := planOf(names...)
	for i := range p.Rpcds {
		p.Rpcds[i].Kind, p.Rpcds[i].Direct = config.KindNative, direct
	}
	return p
}

// nativeFiles are the units of such a plan, short.
func nativeFiles(direct bool, program string, names ...string) map[string]string {
	m := files(names...)
	for _, n := range names {
		m[layout.WorkerTemplate(n)] = program
		if direct {
			delete(m, layout.BrokerService(n)+".d/10-listeners.conf")
			delete(m, layout.InboxTemplate(n))
			m[layout.WorkerService(n, 0)+".d/10-listeners.conf"] = "direct"
		}
	}
	return m
}

// sambas is a plan of Samba's rpcds with so many spares.
func sambas(spares int, names ...string) *plan.Plan {
	p := planOf(names...)
	for i := range p.Rpcds {
		p.Rpcds[i].Kind, p.Rpcds[i].Spares = config.KindSamba, spares
	}
	return p
}

// withWorker adds other settings of the workers and of the broker.
func withWorker(m map[string]string, settings string) map[string]string {
	m[layout.WorkerTemplate("winreg")] = settings
	m[layout.BrokerService("winreg")+".d/10-listeners.conf"] = settings
	return m
}

var (
	up   = systemctl.Unit{Load: "loaded", Active: "active"}
	down = systemctl.Unit{Load: "loaded", Active: "inactive"}
)

// running are the units of a host that serves these rpcds.
func running(names ...string) map[string]systemctl.Unit {
	m := map[string]systemctl.Unit{layout.Target: up, layout.PreflightService: up}
	for _, n := range names {
		m[layout.ListenerSocket(layout.NP, n)] = up
		m[layout.ListenerSocket(layout.TCP, n)] = up
	}
	return m
}

// with adds units in one state.
func with(m map[string]systemctl.Unit, u systemctl.Unit, units ...string) map[string]systemctl.Unit {
	for _, n := range units {
		m[n] = u
	}
	return m
}

// but is m with another content of one unit.
func but(m map[string]string, unit, content string) map[string]string {
	m[unit] = content
	return m
}

// applyCases are changes of units, and what systemd is asked to do about each, in order.
var applyCases = []struct {
	name     string
	units    map[string]systemctl.Unit
	after    map[string][]string
	self     string
	fail     map[string]error
	old, new map[string]string
	plan     *plan.Plan
	want     []string
	problems int
	err      string
}{
	{name: "nothing changed", units: running("winreg"), old: files("winreg"), new: files("winreg"), plan: planOf("winreg")},
	{name: "first, from the boot", units: with(running(), systemctl.Unit{Active: "inactive", Job: "start"}, layout.Target),
		new: files("winreg"), plan: planOf("winreg"), self: layout.RefreshService,
		after: map[string][]string{layout.Target: {layout.RefreshService}},
		want:  []string{"daemon-reload", "reload msrpc-preflight.service", "start-no-wait msrpc.target"}},
	{name: "a stopped target stays stopped", units: with(running(), down, layout.Target, layout.PreflightService),
		new: files("winreg"), plan: planOf("winreg"), want: []string{"daemon-reload"}},
	{name: "one removed while another serves",
		units: with(running("winreg", "lsad"), up, layout.BrokerService("lsad"), layout.BrokerService("winreg"),
			"msrpc-worker-lsad@0.socket", "msrpc-worker-lsad@0.service", "msrpc-worker-winreg@0.service"),
		old: files("winreg", "lsad"), new: files("winreg"), plan: planOf("winreg"),
		want: []string{"stop msrpc-np-lsad.socket", "stop msrpc-tcp-lsad.socket", "stop msrpc-broker@lsad.service",
			"stop msrpc-worker-lsad@0.socket", "kill msrpc-worker-lsad@0.service", "stop msrpc-worker-lsad@0.service",
			"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "workers of Samba's kind drain before their broker restarts",
		units: with(running("winreg"), up, layout.BrokerService("winreg"), "msrpc-worker-winreg@0.service", "msrpc-worker-winreg@7.service"),
		old:   withWorker(files("winreg"), "old"), new: withWorker(files("winreg"), "new"), plan: sambas(32, "winreg"),
		want: []string{"daemon-reload", "reload msrpc-preflight.service", "kill msrpc-worker-winreg@0.service",
			"kill msrpc-worker-winreg@7.service", "restart msrpc-broker@winreg.service", "start msrpc.target"}},
	{name: "without spares they have the time of their unit",
		units: with(running("winreg"), up, layout.BrokerService("winreg"), "msrpc-worker-winreg@0.service"),
		old:   withWorker(files("winreg"), "old"), new: withWorker(files("winreg"), "new"), plan: sambas(0, "winreg"),
		want: []string{"daemon-reload", "reload msrpc-preflight.service", "restart msrpc-worker-winreg@0.service",
			"restart msrpc-broker@winreg.service", "start msrpc.target"}},
	{name: "a broker's set changes", units: with(running("winreg", "lsad"), up, layout.BrokerService("lsad"), layout.BrokerService("winreg")),
		old: files("winreg", "lsad"), new: but(files("winreg", "lsad"), layout.ListenerSocket(layout.TCP, "lsad"), "other"), plan: planOf("winreg", "lsad"),
		want: []string{"stop msrpc-tcp-lsad.socket", "daemon-reload", "reload msrpc-preflight.service",
			"restart msrpc-broker@lsad.service", "start msrpc.target"}},
	{name: "another worker of Samba's kind notices by itself",
		units: with(running("winreg"), up, layout.BrokerService("winreg"), layout.WorkerService("winreg", 0)),
		old:   files("winreg"), new: but(files("winreg"), layout.WorkerTemplate("winreg"), "other"), plan: planOf("winreg"), want: []string{"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "another native program behind a broker",
		units: with(running("echo"), up, layout.BrokerService("echo"), layout.WorkerService("echo", 0), layout.WorkerService("echo", 5)),
		old:   nativeFiles(false, "a", "echo"), new: nativeFiles(false, "b", "echo"), plan: native(false, "echo"),
		want: []string{"daemon-reload", "reload msrpc-preflight.service",
			"restart msrpc-worker-echo@0.service", "restart msrpc-worker-echo@5.service", "start msrpc.target"}},
	{name: "another native program without a broker",
		units: with(running("echo"), up, layout.WorkerService("echo", 0)),
		old:   nativeFiles(true, "a", "echo"), new: nativeFiles(true, "b", "echo"), plan: native(true, "echo"),
		want: []string{"daemon-reload", "reload msrpc-preflight.service", "restart msrpc-worker-echo@0.service", "start msrpc.target"}},
	{name: "the same while it does not run", units: running("echo"),
		old: nativeFiles(true, "a", "echo"), new: nativeFiles(true, "b", "echo"), plan: native(true, "echo"),
		want: []string{"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "a listener changes without a broker", units: with(running("echo"), up, layout.WorkerService("echo", 0)),
		old: nativeFiles(true, "a", "echo"), new: but(nativeFiles(true, "a", "echo"), layout.ListenerSocket(layout.TCP, "echo"), "other"), plan: native(true, "echo"),
		want: []string{"stop msrpc-tcp-echo.socket", "daemon-reload", "reload msrpc-preflight.service",
			"restart msrpc-worker-echo@0.service", "start msrpc.target"}},
	{name: "from a broker to none", units: with(running("echo"), up, layout.BrokerService("echo"), "msrpc-worker-echo@0.socket", layout.WorkerService("echo", 0)),
		old: nativeFiles(false, "a", "echo"), new: nativeFiles(true, "a", "echo"), plan: native(true, "echo"),
		want: []string{"stop msrpc-np-echo.socket", "stop msrpc-tcp-echo.socket", "stop msrpc-broker@echo.service",
			"stop msrpc-worker-echo@0.socket", "kill msrpc-worker-echo@0.service", "stop msrpc-worker-echo@0.service",
			"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "and back", units: with(running("echo"), up, layout.WorkerService("echo", 0)),
		old: nativeFiles(true, "a", "echo"), new: nativeFiles(false, "a", "echo"), plan: native(false, "echo"),
		want: []string{"stop msrpc-np-echo.socket", "stop msrpc-tcp-echo.socket", "kill msrpc-worker-echo@0.service", "stop msrpc-worker-echo@0.service",
			"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "one without a broker that keeps out now", units: with(running("epmapper"), up, layout.WorkerService("epmapper", 0)),
		old: nativeFiles(true, "a", "epmapper"), new: files(), plan: planOf(),
		want: []string{"stop msrpc-np-epmapper.socket", "stop msrpc-tcp-epmapper.socket", "kill msrpc-worker-epmapper@0.service", "stop msrpc-worker-epmapper@0.service",
			"daemon-reload", "reload msrpc-preflight.service", "start msrpc.target"}},
	{name: "preflight waits for us", units: running(), new: files(), old: files("winreg"), plan: planOf(), self: "x.service",
		after: map[string][]string{layout.PreflightService: {"x.service"}},
		want:  []string{"daemon-reload", "reload-no-wait msrpc-preflight.service", "start msrpc.target"}},
	{name: "masked is left alone", units: with(running("winreg"), systemctl.Unit{Load: "masked", Active: "inactive"}, "msrpc-tcp-winreg.socket"),
		old: files("winreg"), new: files("winreg"), plan: planOf("winreg")},
	{name: "systemd refuses a reload", units: with(running("winreg"), up, "msrpc-tcp-winreg.socket"), old: files("winreg"), new: files(), plan: planOf(),
		fail: map[string]error{"daemon-reload ": fmt.Errorf("no room in /run")}, err: "no room in /run",
		want: []string{"stop msrpc-np-winreg.socket", "stop msrpc-tcp-winreg.socket", "daemon-reload", "start msrpc.target"}},
	{name: "one unit fails, the others are served", units: with(running("winreg", "lsad"), up, layout.BrokerService("lsad")),
		old: files("winreg"), new: files("winreg", "lsad"), plan: planOf("winreg", "lsad"),
		fail: map[string]error{"restart msrpc-broker@lsad.service": fmt.Errorf("no memory")},
		want: []string{"daemon-reload", "reload msrpc-preflight.service", "restart msrpc-broker@lsad.service", "start msrpc.target",
			"restart msrpc-broker@lsad.service"}, err: "no memory"},
}

func TestApply(t *testing.T) {
	for _, tc := range applyCases {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeUnits(t, dir, tc.old)
			f := &fakeSystemd{units: tc.units, after: tc.after, self: tc.self, fail: tc.fail, generate: func() { writeUnits(t, dir, tc.new) }}
			rep := &Report{}
			a := &applier{m: f, plan: tc.plan, rep: rep, log: slog.New(slog.NewTextHandler(io.Discard, nil)), generatorDir: dir}
			err := a.apply(context.Background(), tc.new)
			check.Is(t, "error", tc.err, errText(err))
			check.Same(t, tc.want, f.log)
			if len(rep.Problems) != tc.problems {
				t.Errorf("problems %q", rep.Problems)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func writeUnits(t *testing.T, dir string, units map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check.OK(t, err)
	for _, e := range entries {
		os.RemoveAll(filepath.Join(dir, e.Name()))
	}
	for p, content := range units {
		p = filepath.Join(dir, p)
		check.OK(t, os.MkdirAll(filepath.Dir(p), 0o755))
		check.OK(t, os.WriteFile(p, []byte(content), 0o644))
	}
}

// A generator that is not installed, or another version, is said.
func TestApplyNoticesAnotherGenerator(t *testing.T) {
	f := &fakeSystemd{units: map[string]systemctl.Unit{}}
	rep := &Report{}
	a := &applier{m: f, plan: planOf("winreg"), rep: rep, log: slog.New(slog.NewTextHandler(io.Discard, nil)), generatorDir: t.TempDir()}
	check.OK(t, a.apply(context.Background(), files("winreg")))
	if len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0], "is it in systemd's system-generators directory") {
		t.Errorf("problems %q", rep.Problems)
	}
}
