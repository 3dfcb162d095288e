// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

// recorder is a systemd that writes down what it is asked to do.
type recorder struct{ log []string }

func (r *recorder) do(words ...string) error {
	r.log = append(r.log, strings.Join(words, " "))
	return nil
}

func (r *recorder) Get(context.Context, ...string) ([]systemctl.Unit, error)  { return nil, nil }
func (r *recorder) List(context.Context, ...string) ([]systemctl.Unit, error) { return nil, nil }
func (r *recorder) Properties(context.Context, string) (systemctl.Properties, error) {
	return nil, nil
}
func (r *recorder) DaemonReload(context.Context) error            { return r.do("daemon-reload") }
func (r *recorder) Start(_ context.Context, u string) error       { return r.do("start", u) }
func (r *recorder) Stop(_ context.Context, u string) error        { return r.do("stop", u) }
func (r *recorder) Restart(_ context.Context, u string) error     { return r.do("restart", u) }
func (r *recorder) ResetFailed(_ context.Context, u string) error { return r.do("reset-failed", u) }
func (r *recorder) Reload(_ context.Context, u string) error      { return r.do("reload", u) }
func (r *recorder) RestartNoWait(_ context.Context, u string) error {
	return r.do("restart-no-wait", u)
}
func (r *recorder) Kill(_ context.Context, u string, s syscall.Signal) error {
	return r.do("kill", s.String(), u)
}

func TestMend(t *testing.T) {
	up, failed := systemctl.Unit{Load: "loaded", Active: "active"}, systemctl.Unit{Load: "loaded", Active: "failed"}
	const np, tcp = "msrpc-np-winreg.socket", "msrpc-tcp-winreg.socket"
	broker, worker, inbox := layout.BrokerService("winreg"), layout.WorkerService("winreg", 0), layout.WorkerSocket("winreg", 0)
	down := func(unit string) Finding {
		return found("sockets", "%s", unit).refreshed(mend{step: stepListener, unit: unit, rpcd: "winreg"})
	}
	closed := found("inboxes", "0").refreshed(mend{step: stepInbox, rpcd: "winreg", indices: []int{0}})
	older := found("settings", "older").refreshed(mend{step: stepRenew, unit: worker, rpcd: "winreg"})
	for _, tc := range []struct {
		name  string
		kind  config.Kind
		units map[string]systemctl.Unit
		open  int // connections of worker 0
		in    []Finding
		want  []string
	}{
		{name: "what a refresh applied before, or cannot mend", in: []Finding{found("catalogue", "x").refreshed(mend{}), found("smbd", "x")}},
		{name: "listeners without a broker", units: map[string]systemctl.Unit{np: up, tcp: failed}, in: []Finding{down(np), down(tcp)},
			want: []string{"stop " + np, "reset-failed " + tcp, "start " + np, "start " + tcp}},
		{name: "listeners of a running broker", units: map[string]systemctl.Unit{np: up, broker: up}, in: []Finding{down(np)},
			want: []string{"stop " + np, "restart " + broker}},
		{name: "an inbox without a worker", units: map[string]systemctl.Unit{inbox: failed}, in: []Finding{closed},
			want: []string{"reset-failed " + inbox, "start " + inbox}},
		{name: "an inbox of an idle worker", kind: config.KindSamba, units: map[string]systemctl.Unit{worker: up}, in: []Finding{closed},
			want: []string{"restart-no-wait " + worker, "start " + inbox}},
		{name: "an inbox of a busy worker of Samba's kind", kind: config.KindSamba, units: map[string]systemctl.Unit{worker: up}, open: 3, in: []Finding{closed},
			want: []string{"kill window changed " + worker}},
		{name: "an inbox of a busy native worker", kind: config.KindNative, units: map[string]systemctl.Unit{worker: up}, open: 3, in: []Finding{closed},
			want: []string{"restart-no-wait " + worker, "start " + inbox}},
		{name: "older settings", kind: config.KindSamba, units: map[string]systemctl.Unit{worker: up}, in: []Finding{older}, want: []string{"restart " + worker}},
		{name: "older settings of a busy worker", kind: config.KindSamba, units: map[string]systemctl.Unit{worker: up}, open: 1, in: []Finding{older},
			want: []string{"kill window changed " + worker}},
		{name: "everything, in order, and a restart once", units: map[string]systemctl.Unit{broker: up, np: up, layout.PreflightService: up},
			in: []Finding{
				found("settings", "x").refreshed(mend{step: stepRenew, unit: broker, rpcd: "winreg"}), down(np),
				found("status files", "x").refreshed(mend{step: stepDirectories}), found("directories", "x").refreshed(mend{step: stepDirectories}),
				found("target", "x").refreshed(mend{step: stepStart, unit: layout.RefreshPath}), found("unit files", "x").refreshed(mend{step: stepReload}),
				found("units", "x").refreshed(mend{step: stepReset, unit: "x.service"}),
			},
			want: []string{"daemon-reload", "reload " + layout.PreflightService, "reset-failed x.service", "stop " + np, "restart " + broker, "start " + layout.RefreshPath}},
		{name: "a preflight that does not run", in: []Finding{found("preflight", "x").refreshed(mend{step: stepDirectories})}, want: []string{"start " + layout.PreflightService}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &recorder{}
			s := &State{Host: Host{Manager: r}, units: tc.units, statuses: map[string]statusFile{"winreg": {open: map[int]int{0: tc.open}}}}
			if s.units == nil {
				s.units = map[string]systemctl.Unit{}
			}
			s.Plan = &plan.Plan{Rpcds: []plan.Rpcd{{Kind: tc.kind, Values: setting.Values{Name: "winreg", Workers: 1}}}}
			if err := Mend(context.Background(), s, tc.in, func(string) {}); err != nil {
				t.Error(err)
			}
			check.Same(t, tc.want, r.log)
		})
	}
}
