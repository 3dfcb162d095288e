// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"path"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
	"msrpcd/units"
)

// replaced is for programs that end by themselves when they were replaced.
func (b *builder) replaced() {
	b.note("It was replaced, and is to be started again with what it has parked.")
	b.setAll(fmt.Sprintf("RestartForceExitStatus=%d\nSuccessExitStatus=%[1]d", layout.ExitReplaced))
}

// sambaWorker is the template of workers that run an unmodified rpcd.
func sambaWorker(p *plan.Plan, r *plan.Rpcd) *builder {
	b := newBuilder()
	b.unit(r, "MSRPC worker %i of "+r.Name)
	if usesBgqd(r) {
		b.note("Else rpcd_spoolss starts a samba-bgqd that dies with worker 0.")
		b.set("Wants", layout.BgqdService)
		b.set("After", layout.BgqdService)
	}
	if to := p.Registry(r); to != nil {
		b.note("It calls this one while it starts: side by side, not one after the other.")
		b.set("Wants", to.Service()+" "+layout.WorkerService(to.Name, to.Workers))
	}
	b.in("Service")
	b.setAll("Type=notify\nNotifyAccess=main")
	// What refresh found out is in it, so that the adaptor need not ask. The id
	// makes a replaced program known, and the unit differ after an upgrade.
	b.environment(setting.Samba, &r.Values)
	b.exec("ExecStart", layout.Libexec+"/msrpc-samba-worker", specifier(r.Name+"@%i"))
	b.exec("ExecReload", Kill, "-HUP", specifier("$MAINPID"))
	b.keepScripts(r, r.Exec)
	b.setAll(sambaLimits)
	b.note("At a stop clients have this time but 6 s to end; what is left then is closed.")
	b.setAll("TimeoutStopSec=60")
	b.setAll(units.Restart(HasRestartSteps == "yes"))
	b.set("Slice", layout.Slice(r.Name))
	b.sambaSandbox(p, r)
	b.sambaLog(r)
	return b
}

// sambaLimits are those of smbd.service, which rpcds have when smbd starts
// samba-dcerpcd. Their scripts inherit them.
const sambaLimits = "LimitNOFILE=16384\nLimitCORE=infinity"

// keepScripts lets live on what scripts of a service's program left running.
// With any KillMode= that kills the whole control group systemd does so before
// ExecStopPost= when the main process ends by itself.
func (b *builder) keepScripts(r *plan.Rpcd, program string) {
	b.set("KillMode", "process")
	b.note("Moves what scripts left running to a scope, and kills what is left of the\nprogram. Without the sandbox, whose set-up takes longer than all of it.")
	b.execBare("ExecStopPost", layout.Libexec+"/msrpc-keep-scripts", "--name", r.Name, "--exec", program)
}

// stayUp keeps worker 0 of a prestarted rpcd; 0 means that it never idles out.
func stayUp() *builder {
	b := newBuilder()
	b.in("Service")
	b.env(setting.IdleVariable, "0")
	return b
}

// usesBgqd holds for Samba's print server, which starts samba-bgqd.
func usesBgqd(r *plan.Rpcd) bool { return path.Base(r.Exec) == "rpcd_spoolss" }

// bgqd runs samba-bgqd beside the spoolss workers. A second one ends at once
// with status 1, since the first holds the pid file.
func bgqd(p *plan.Plan, r *plan.Rpcd) *builder {
	program := path.Join(path.Dir(r.Exec), "samba-bgqd")
	b := newBuilder()
	b.unit(r, "Samba background queue of print jobs")
	b.path("ConditionFileIsExecutable", program)
	b.note("Wanted by the spoolss workers; it runs as long as one of them does.")
	b.set("StopWhenUnneeded", "yes")
	b.set("Wants", layout.PreflightService)
	b.set("After", layout.PreflightService)
	b.in("Service")
	b.exec("ExecStart", program, "--foreground", "--no-process-group", "--configfile="+p.Catalogue.Samba.ConfigFile)
	b.exec("ExecReload", Kill, "-HUP", specifier("$MAINPID"))
	b.keepScripts(r, program)
	b.setAll("SuccessExitStatus=1\nRestart=on-abnormal\nRestartSec=1s\nTimeoutStopSec=20\n" + sambaLimits)
	b.set("Slice", layout.Slice(r.Name))
	b.sambaSandbox(p, r)
	return b
}
