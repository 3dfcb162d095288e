// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/tests/tools/check"
)

func TestStatusText(t *testing.T) {
	s := rpcdStatus{
		Name: "winreg", Workers: 5, Spares: 32,
		Listeners: []listenerStatus{
			{layout.NP, "msrpc-np-winreg.socket", "running", []string{"/run/samba/ncalrpc/np/winreg"}},
			{layout.TCP, "msrpc-tcp-winreg.socket", "failed", []string{":50113"}},
		},
		Broker: &brokerStatus{Unit: "msrpc-broker@winreg.service", State: "running", PID: 100, Accepted: 9, Handed: 6, Refused: 1, Pending: 2, Parked: 1, Memory: 1 << 20},
		Running: []workerStatus{
			{Index: 0, Unit: "msrpc-worker-winreg@0.service", State: "ready", PID: 101, RpcdPID: 102, Connections: 4, Groups: 3, Memory: 20 << 20},
			{Index: 5, Spare: true, Unit: "msrpc-worker-winreg@5.service", State: "down", Queued: 1},
		},
	}
	var out bytes.Buffer
	e := &env{out: &out}
	e.statusTable([]rpcdStatus{s})
	e.statusDetail(&s)
	want := `NAME    LISTENERS      BROKER         WORKERS    CONNECTIONS  GROUPS  WAITING  MEMORY
winreg  np tcp:failed  running (100)  1 of 5+32  4            3       3        21M
winreg
  LISTENER                 STATE    ENDPOINT
  msrpc-np-winreg.socket   running  /run/samba/ncalrpc/np/winreg
  msrpc-tcp-winreg.socket  failed   :50113
  BROKER                       STATE    PID  ACCEPTED  HANDED OVER  REFUSED  LEFT  PENDING  PARKED  MEMORY
  msrpc-broker@winreg.service  running  100  9         6            1        0     2        1       1.0M
  WORKER                         STATE  PID  RPCD PID  CONNECTIONS  GROUPS  QUEUED  MEMORY
  msrpc-worker-winreg@0.service  ready  101  102       4            3       0       20M
  msrpc-worker-winreg@5.service  down   -    -         0            0       1       -
`
	check.Same(t, want, out.String())
}

func TestStatusTextOfDirectActivation(t *testing.T) {
	down := rpcdStatus{
		Name: "echo", Activation: "direct", Workers: 1,
		Listeners: []listenerStatus{{layout.TCP, "msrpc-tcp-echo.socket", "listening", []string{":50113"}}},
	}
	failed, up := down, down
	failed.Running = []workerStatus{{Unit: "msrpc-worker-echo@0.service", State: "failed"}}
	up.Running = []workerStatus{{Unit: "msrpc-worker-echo@0.service", State: "ready", PID: 101, Connections: 4, Groups: 3, Memory: 2 << 20}}
	var out bytes.Buffer
	e := &env{out: &out}
	e.statusTable([]rpcdStatus{down, failed, up})
	e.statusDetail(&down)
	e.statusDetail(&up)
	want := `NAME  LISTENERS  BROKER  WORKERS          CONNECTIONS  GROUPS  WAITING  MEMORY
echo  tcp        none    0 of 1           0            0       0        -
echo  tcp        none    0 of 1 (failed)  0            0       0        -
echo  tcp        none    1 of 1           4            3       0        2.0M
echo
  LISTENER               STATE      ENDPOINT
  msrpc-tcp-echo.socket  listening  :50113
  the server does not run; it starts when a client comes
echo
  LISTENER               STATE      ENDPOINT
  msrpc-tcp-echo.socket  listening  :50113
  WORKER                       STATE  PID  RPCD PID  CONNECTIONS  GROUPS  QUEUED  MEMORY
  msrpc-worker-echo@0.service  ready  101  -         4            3       0       2.0M
`
	check.Same(t, want, out.String())
}

func TestState(t *testing.T) {
	for want, u := range map[string]systemctl.Unit{
		"listening": {Load: "loaded", Active: "active", Sub: "listening"},
		"masked":    {Load: "masked", Active: "inactive", Sub: "dead"},
		"not-found": {Load: "not-found", Active: "active", Sub: "listening"},
		"failed":    {Load: "loaded", Active: "failed", Sub: "failed"},
	} {
		if got := state(u); got != want {
			t.Errorf("%+v: %s", u, got)
		}
	}
}

func TestMemory(t *testing.T) {
	for n, want := range map[uint64]string{0: "", 512 << 10: "0.5M", 9 << 20: "9.0M", 10 << 20: "10M", 10 << 30: "10G"} {
		if got := memory(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	path := filepath.Join(t.TempDir(), "smaps_rollup")
	check.OK(t, os.WriteFile(path, []byte("00400000-7fff [rollup]\nRss:   4000 kB\nPss:   1024 kB\nPss_Anon: 3 kB\n"), 0o644))
	check.Is(t, "pss", 1<<20, pss(path))
	check.Is(t, "pss of nothing", 0, pss(path+"-gone"))
}
