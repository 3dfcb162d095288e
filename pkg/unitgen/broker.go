// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/catalogue"
	"msrpcd/pkg/config"
	"msrpcd/pkg/layout"
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
	b.list("Wants", inboxes)
	b.set("Wants", layout.WorkerService(r.Name, 0))

	b.in("Service")
	var sockets []string
	for _, l := range r.Listeners {
		sockets = append(sockets, l.Unit)
	}
	b.list("Sockets", sockets)
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
		{"MSRPC_MAX_UNBOUND", p.global.MaxUnbound}, {"MSRPC_BIND_TIMEOUT_SEC", p.global.BindTimeoutSec},
		{"MSRPC_MAX_NPA", p.global.MaxNPASize},
	} {
		b.env(v.name, strconv.Itoa(v.value))
	}
	if pipes := r.Entry.Listing.Pipes; len(pipes) > 0 {
		var words []string
		for _, n := range pipes {
			words = append(words, fmt.Sprintf("%s:%d:%d:%d", n.Name, n.FileType, n.DeviceState, n.Allocation))
		}
		b.env("MSRPC_PIPES", strings.Join(words, " "))
	}
	return b
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
