// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
)

// broker is the drop-in that gives the packaged template msrpc-broker@.service
// its listeners, the inboxes that it sends to, and its settings.
func (p *Plan) broker(r *Rpcd) *builder {
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
	b.list("Sockets", r.sockets())
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
	p.limits(b)
	b.env("MSRPC_MAX_PARKED", strconv.Itoa(p.global.MaxParked))
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
func (r *Rpcd) sockets() []string {
	var names []string
	for _, l := range r.Listeners {
		names = append(names, l.Unit)
	}
	return names
}

// limits tells who accepts connections how many and how much to take.
func (p *Plan) limits(b *builder) {
	b.env("MSRPC_MAX_UNBOUND", strconv.Itoa(p.global.MaxUnbound))
	b.env("MSRPC_MAX_UNBOUND_SOURCE", strconv.Itoa(p.global.MaxUnboundPerSource))
	b.env("MSRPC_MAX_UNBOUND_USER", strconv.Itoa(p.global.MaxUnboundPerUser))
	b.env("MSRPC_BIND_TIMEOUT_SEC", strconv.Itoa(p.global.BindTimeoutSec))
	b.env("MSRPC_MAX_NPA", strconv.Itoa(p.global.MaxNPASize))
}

// refreshPaths is the drop-in with what msrpc-refresh.path has to watch beside
// the directories of configuration.
func (p *Plan) refreshPaths() *builder {
	b := newBuilder()
	b.in("Unit")
	b.set("Documentation", manuals)
	b.in("Path")
	for _, w := range p.watched {
		b.path("PathChanged", w)
	}
	return b
}

// watched collects smb.conf, the directories of programs and of drop-ins. What
// can not stand in a unit is left out: its rpcd is too.
func watched(c *catalogue.Catalogue, cfg *config.Config) []string {
	paths := []string{cfg.Global.SambaConfig}
	if c.Samba != nil {
		paths = append(paths, c.Samba.ConfigFile)
	}
	for i := range c.Rpcds {
		paths = append(paths, path.Dir(c.Rpcds[i].Exec))
		if t := c.Rpcds[i].SambaTwin; t != nil {
			paths = append(paths, path.Dir(t.Exec))
		}
	}
	for _, f := range cfg.Files {
		for _, e := range f.Exec {
			if dir := path.Dir(e); !strings.ContainsAny(dir, `*?[\`) {
				paths = append(paths, dir)
			}
		}
		for _, d := range f.Drops {
			paths = append(paths, path.Dir(d))
		}
	}
	slices.Sort(paths)
	return slices.DeleteFunc(slices.Compact(paths), func(p string) bool {
		_, err := pathValue(p)
		return err != nil
	})
}
