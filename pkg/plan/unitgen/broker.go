// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"msrpcd/pkg/conn/setting"
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
	for i := range r.Indices() {
		if r.FromStart(i) {
			inboxes = append(inboxes, layout.WorkerSocket(r.Name, i))
		}
	}
	b.note("The others are opened by workers. One of these that was closed, or whose worker\ncould not be started, opens again.")
	b.list("Upholds", inboxes)
	if !p.Called(r) || r.Prestart {
		b.set("Wants", layout.WorkerService(r.Name, 0))
	}

	b.in("Service")
	b.list("Sockets", sockets(r))
	v := r.Values
	if r.Prestart {
		v.Idle = 0
	}
	b.environment(setting.Broker, &v)
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

// environment writes the environment of processes of a kind.
func (b *builder) environment(kind setting.Process, v *setting.Values) {
	for _, row := range setting.Of(kind) {
		if text := row.Text(v); row.Instance {
			b.set("Environment", row.Variable+"=%i")
		} else if text != "" {
			b.env(row.Variable, text)
		}
	}
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
