// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"path"
	"strconv"
	"strings"

	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
	"msrpcd/units"
)

// nativeFiles are for any program: a package whose server needs more (a database,
// a network of its own) brings a drop-in for msrpc-worker-NAME@.service, see
// msrpc-generator(8).
const nativeFiles = "/usr -/lib -/lib64 -/etc/ld.so.cache -/etc/passwd -/etc/group -/etc/nsswitch.conf -/etc/hosts -/etc/localtime -/etc/machine-id"

// nativeWorker is the template of workers that take connections themselves;
// they learn from the environment what they are, and from LISTEN_FDNAMES
// whether they have an inbox (msrpc-handoff(7)) or the listeners.
func nativeWorker(r *plan.Rpcd) *builder {
	b := newBuilder()
	text := "MSRPC worker %i of " + r.Name
	if r.Direct {
		text = "MSRPC server " + r.Name
	}
	b.unit(r, text)
	b.note("It has made the status file.")
	b.set("Wants", layout.PreflightService)
	b.set("After", layout.PreflightService)
	b.note("Another program makes another unit, so that a refresh restarts it.")
	b.set("X-Program", r.ExecID)

	b.in("Service")
	b.setAll("Type=notify\nNotifyAccess=main")
	b.environment(setting.Native, &r.Values)
	b.exec("ExecStart", r.Exec)
	b.set("TimeoutStopSec", "20")
	b.set("FileDescriptorStoreMax", strconv.Itoa(parking.MaxStored))
	if HasRestartSteps == "yes" {
		b.set("FileDescriptorStorePreserve", "restart")
	}
	b.setAll(units.Restart(HasRestartSteps == "yes"))
	b.replaced()
	b.set("Slice", layout.Slice(r.Name))
	b.quiet()
	b.note("Not in the group of the inboxes: systemd gives it its own, and it needs no other.")
	b.set("User", layout.RpcdUser)
	b.setAll(units.Hardening)
	b.set("RootDirectory", layout.Root())
	b.set("LimitFSIZE", "32M")
	b.note("All that clients may hold by msrpcd.conf(5) fits; one in Go collects more before.")
	b.setAll("MemoryMax=1G\nTasksMax=256\nEnvironment=GOMEMLIMIT=768MiB")
	b.note("What a program needs to run, its configuration, and its own status file.")
	b.set("BindReadOnlyPaths", nativeFiles)
	for _, p := range []string{path.Dir(r.Exec), layout.VendorConfig, layout.AdminConfig, layout.VolatileConf, layout.State} {
		if p != "/" && !strings.HasPrefix(p, "/usr/") {
			b.bind("BindReadOnlyPaths", p)
		}
	}
	b.set("BindPaths", layout.RpcdDir(r.Name))
	return b
}

// direct is the drop-in that gives the listeners to the one worker of an rpcd
// without a broker, and what the broker would use.
func direct(r *plan.Rpcd) *builder {
	b := newBuilder()
	b.in("Unit")
	b.set("Documentation", manuals)
	b.in("Service")
	b.list("Sockets", sockets(r))
	b.environment(setting.Direct, &r.Values)
	return b
}
