// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"strconv"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
)

// broker is the drop-in that gives the packaged template msrpc-broker@.service
// its listeners, the inboxes that it sends to, and its settings.
func broker(p *plan.Plan, r *plan.Rpcd) *builder {
	b := newBuilder()
	b.in("Unit")
	// No SourcePath=: it would be shown in the place of the packaged unit's path.
	b.set("Documentation", manuals)
	b.note("Never After=: the first accept would wait for a worker to be ready.")
	var inboxes []string
	for i := range min(r.Workers+2, r.Workers+r.Spares) {
		inboxes = append(inboxes, layout.WorkerSocket(r.Name, i))
	}
	b.note("An inbox that was closed, or whose worker could not be started, opens again.")
	b.list("Upholds", inboxes)
	b.set("Wants", layout.WorkerService(r.Name, 0))

	b.in("Service")
	b.list("Sockets", sockets(r))
	idle := r.IdleSec
	if r.Prestart {
		idle = 0
	}
	for _, v := range []struct {
		name  string
		value int
	}{
		{"MSRPC_WORKERS", r.Workers}, {"MSRPC_SPARES", r.Spares}, {"MSRPC_INDEX_BITS", r.IndexBits},
		{"MSRPC_IDLE_SEC", idle}, {"MSRPC_FILL_FIRST", r.FillFirst},
	} {
		b.env(v.name, strconv.Itoa(v.value))
	}
	b.limits(p)
	b.env("MSRPC_MAX_PARKED", strconv.Itoa(p.Config.Global.MaxParked))
	if pipes := r.Entry.Listing.Pipes; len(pipes) > 0 {
		var words []string
		for _, n := range pipes {
			words = append(words, fmt.Sprintf("%s:%d:%d:%d", n.Name, n.FileType, n.DeviceState, n.Allocation))
		}
		b.env("MSRPC_PIPES", strings.Join(words, " "))
	}
	return b
}

// sockets are the names of the listeners' units.
func sockets(r *plan.Rpcd) []string {
	var names []string
	for _, l := range r.Listeners {
		names = append(names, l.Unit)
	}
	return names
}

// limits gives the process that accepts connections its limits.
func (b *builder) limits(p *plan.Plan) {
	b.env("MSRPC_MAX_UNBOUND", strconv.Itoa(p.Config.Global.MaxUnbound))
	b.env("MSRPC_MAX_UNBOUND_SOURCE", strconv.Itoa(p.Config.Global.MaxUnboundPerSource))
	b.env("MSRPC_MAX_UNBOUND_USER", strconv.Itoa(p.Config.Global.MaxUnboundPerUser))
	b.env("MSRPC_BIND_TIMEOUT_SEC", strconv.Itoa(p.Config.Global.BindTimeoutSec))
	b.env("MSRPC_MAX_NPA", strconv.Itoa(p.Config.Global.MaxNPASize))
}

// refreshPaths is the drop-in with what msrpc-refresh.path has to watch beside
// the directories of configuration.
func refreshPaths(p *plan.Plan) *builder {
	b := newBuilder()
	b.in("Unit")
	b.set("Documentation", manuals)
	b.in("Path")
	for _, w := range p.Watched {
		b.path("PathChanged", w)
	}
	return b
}
