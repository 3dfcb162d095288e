// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// A fault is what happens under load, and which clients may see it.
type fault struct {
	name   string
	kill   bool // of the broker
	smb    bool // Samba's client and smbd lose each other by it, before there is a pipe
	happen func(*host, *steadyLoad)
}

// faults are those of every run; some need what a run allows.
var faults = []fault{
	{name: "none", happen: func(_ *host, l *steadyLoad) { l.flow(200) }},
	{name: "broker restarted", happen: brokerRestart},
	{name: "broker killed", kill: true, happen: brokerKill},
	{name: "workers restarted", happen: workerRestart},
	{name: "idle workers killed", happen: idleWorkerKill},
	{name: "every kind of process killed", kill: true, happen: killEveryKind},
	{name: "all services restarted", happen: restartAll},
	{name: "daemon-reload", happen: daemonReload},
	{name: "daemon-reexec", happen: daemonReexec},
	{name: "rpcd removed and added", happen: refreshRemovesAndAdds},
	{name: "programs of msrpcd replaced", happen: replaceOurs},
	{name: "programs of Samba replaced", happen: replaceSambas},
	{name: "workers in a crash loop", happen: crashLoop},
	{name: "inboxes full", happen: fullInbox},
	{name: "400 binds byte by byte", happen: slowLoris},
	{name: "disk full", happen: fullDisk},
	{name: "catalogue read-only", happen: readOnlyVar},
	{name: "refresh killed", happen: refreshKill},
}

// run makes the fault happen under load, counts what failed and writes its row.
func (f *fault) run(h *host, table io.Writer) {
	h.t.Helper()
	start := time.Now()
	l := h.steady()
	f.happen(h, l)
	all := l.end()
	if f.smb {
		all[smbClients] = withoutSMB(all[smbClients])
	}
	talking, silent := total(all, false), total(all, true)
	n, failed := talking.Conns+talking.Failed+silent.Conns+silent.Failed, talking.Failed+silent.Failed
	fmt.Fprintf(table, "| %s | %d | %d | %d | %d | %.0f |\n", f.name, n, talking.Failed, silent.Failed,
		max(talking.Max, silent.Max)/1000, time.Since(start).Seconds())
	if f.kill {
		h.t.Logf("failed of %d, %d of them clients of what was killed at most: %v, silent: %v", n, l.own, talking.Errors, silent.Errors)
	}
	switch {
	// The short form has too few clients for 1 of 10,000: one may be the one.
	case f.kill && failed > max(n/10000, times(1, 0))+int(l.own):
		h.t.Errorf("%d of %d failed, more than 1 of 10,000 and those whose process it was: %v, silent: %v", failed, n, talking.Errors, silent.Errors)
	case !f.kill && failed > 0:
		h.t.Errorf("%d of %d failed: %v %v", failed, n, talking.Errors, silent.Errors)
	}
	for name, r := range all {
		if r.Conns == 0 {
			h.t.Errorf("no client was served: %s: %+v", name, r)
		}
	}
}

// TestFaults lets each fault happen on one host under a steady load of new
// clients. No client may see an error, but for a kill of the broker: there
// whom it had in hand at that moment, accepted, neither parked nor handed over,
// fewer than one of 10,000.
// tests/faults runs this test alone and shows its table.
func TestFaults(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPrestart=yes\n"),
		file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=ncalrpc\nActivation=broker\nWorkers=1\n")).install().smbd()
	h.pipeClient()
	h.load("-net", "unix", "-addr", winregNcalrpc, "-c", "20", "-n", "200") // all workers run
	var table strings.Builder
	fmt.Fprintln(&table, "| fault | sessions | failed | failed while silent | worst ms | seconds |\n|---|---:|---:|---:|---:|---:|")
	list := faults
	if moveClock {
		list = append(faults, fault{name: "clock jumps", smb: true, happen: clockJumps})
	}
	for _, f := range list {
		t.Run(f.name, func(t *testing.T) {
			in := *h
			in.t = t
			f.run(&in, &table)
		})
	}
	t.Logf("\n%s", table.String())
	if path := os.Getenv("MSRPCD_FAULTS_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}
