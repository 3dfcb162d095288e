// SPDX-License-Identifier: Apache-2.0

// Listeners that systemd calls active although nothing listens: a unit file
// that was missing during one reload, or a node that somebody took over, leave
// such a unit, and only stop and start heal it. Looked for without connecting,
// since a connection wakes a service.

package refresh

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/listeners"
	"msrpcd/pkg/systemctl"
	"msrpcd/pkg/unitgen"
)

// serving answers whether somebody serves a listener, and who has it instead.
type serving interface {
	missing(l unitgen.Listener) []string             // nodes and ports that nobody listens on
	conflict(name string, l unitgen.Listener) string // who has a port, with the remedy; "" = nobody else
}

// heal starts listeners that are down and restarts those that do not listen.
func (a *applier) heal(ctx context.Context) {
	units, err := a.m.Get(ctx, listenerUnits(a.plan)...)
	if !a.note(err) {
		return
	}
	state := map[string]systemctl.Unit{}
	for _, u := range units {
		state[u.Name] = u
	}
	now, err := a.snapshot()
	if !a.note(err) {
		return
	}
	np := a.preflight(ctx)
	var tried []owned
	for _, r := range a.plan.Rpcds {
		var down []owned
		for _, l := range r.Listeners {
			u := state[l.Unit]
			if u.Load == "masked" || u.Up() && len(now.missing(l)) == 0 || l.Transport == layout.NP && !np {
				continue
			}
			if conflict := now.conflict(r.Name, l); conflict != "" {
				a.rep.problem("%s", conflict)
				a.log.Error(conflict, journal.Rpcd, r.Name, journal.Transport, string(l.Transport), journal.MessageID, journal.IDPortUnavailable)
			}
			down = append(down, owned{r.Name, l, u})
		}
		if len(down) > 0 {
			a.revive(ctx, r.Service(), down)
		}
		tried = append(tried, down...)
	}
	if len(tried) == 0 {
		return
	}
	if now, err = a.snapshot(); !a.note(err) {
		return
	}
	for _, t := range tried {
		if missing := now.missing(t.l); len(missing) > 0 {
			a.note(fmt.Errorf("%s does not listen on %s; look at systemctl status %s", t.l.Unit, missing[0], t.l.Unit))
			continue
		}
		a.rep.Actions = append(a.rep.Actions, "started "+t.l.Unit+", which did not listen")
		a.log.Warn(t.l.Unit+" did not listen and was started again", journal.Rpcd, t.name,
			journal.Transport, string(t.l.Transport), journal.MessageID, journal.IDListenerHealed)
	}
}

// preflight starts the preflight that failed before, since named pipes require
// it. false: it fails again, so that no named pipe can be served.
func (a *applier) preflight(ctx context.Context) bool {
	up, err := a.up(ctx, layout.PreflightService)
	if !a.note(err) || up {
		return up
	}
	if err := a.m.Start(ctx, layout.PreflightService); err != nil {
		a.note(fmt.Errorf("no named pipe is served: %w", err))
		return false
	}
	a.did("start %s", layout.PreflightService)
	return true
}

// owned is a listener with its rpcd and what systemd says of it.
type owned struct {
	name string
	l    unitgen.Listener
	unit systemctl.Unit
}

// revive stops and starts listeners of one rpcd. A socket can not be started
// beside its running service, but is by the service's own restart.
func (a *applier) revive(ctx context.Context, service string, down []owned) {
	for _, d := range down {
		if d.unit.Active == "failed" {
			a.note(a.m.ResetFailed(ctx, d.unit.Name))
		} else if d.unit.Up() {
			a.note(a.m.Stop(ctx, d.unit.Name))
		}
	}
	up, err := a.up(ctx, service)
	if !a.note(err) {
		return
	}
	if up {
		a.note(a.m.Restart(ctx, service))
		return
	}
	for _, d := range down {
		err := a.m.Start(ctx, d.unit.Name)
		var job *systemctl.JobError
		if !errors.As(err, &job) { // what did not come up is found by looking
			a.note(err)
		}
	}
}

func (a *applier) snapshot() (serving, error) {
	if a.look != nil {
		return a.look()
	}
	s, err := listeners.Take()
	if err != nil {
		return nil, err
	}
	return hostServing{s, LocalPorts()}, nil
}

// hostServing is serving as this host's kernel tells it.
type hostServing struct {
	s     *listeners.Snapshot
	local PortRange
}

// missing asks for systemd's own copy: a broker that still has one serves on
// until its next restart, and then nobody does.
func (h hostServing) missing(l unitgen.Listener) []string {
	return slices.DeleteFunc(slices.Clone(l.Nodes), func(node string) bool {
		return slices.ContainsFunc(Listeners(h.s, l.Transport, node), h.s.HeldBySystemd)
	})
}

func (h hostServing) conflict(name string, l unitgen.Listener) string {
	for _, port := range l.Ports {
		if text := PortConflict(h.s, h.local, name, port); text != "" {
			return text
		}
	}
	return ""
}
