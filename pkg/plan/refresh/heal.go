// SPDX-License-Identifier: Apache-2.0

// What a refresh does once units are as planned: everything else that package
// wanted finds to be not as it should be, and that can be mended, is mended.

package refresh

import (
	"context"
	"fmt"
	"os"
	"slices"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/wanted"
)

// Host is where wanted looks on this host, without a manager.
func Host() wanted.Host {
	return wanted.Host{
		Proc: "/proc", Generator: layout.GeneratorUnits, Root: os.Geteuid() == 0,
		Samba: config.ReadSamba, Sockets: wanted.HostSockets, Addresses: Addresses,
	}
}

// Addresses are those that TCP listeners should have now, nil for all.
func Addresses(samba *config.Samba) ([]string, error) {
	host, err := HostInterfaces()
	if err != nil {
		return nil, err
	}
	addresses, _ := BindAddresses(samba.BindInterfacesOnly, samba.Interfaces, host)
	return addresses, nil
}

// healRounds bounds how often heal mends what only the mending before it shows,
// such as a broker that has the file that was there before.
const healRounds = 3

// heal mends what is found, looks again, and reports what is left.
func (a *applier) heal(ctx context.Context) {
	if a.look == nil {
		return
	}
	state := a.look(ctx)
	left := wanted.Check(ctx, state)
	a.conflicts(left)
	var tried []wanted.Finding
	for range healRounds {
		mends := slices.DeleteFunc(wanted.Mendable(left), func(f wanted.Finding) bool { return slices.ContainsFunc(tried, f.Same) })
		if len(mends) == 0 {
			break
		}
		a.note(wanted.Mend(ctx, state, mends, func(text string) { a.did("%s", text) }))
		tried = append(tried, mends...)
		state = a.look(ctx)
		left = wanted.Check(ctx, state)
	}
	for _, f := range tried {
		if !slices.ContainsFunc(left, f.Same) {
			a.rep.Actions = append(a.rep.Actions, "mended: "+f.What)
			a.log.Warn("mended: "+f.What, journal.Rpcd, f.Rpcd, journal.MessageID, journal.IDListenerHealed)
		}
	}
	for _, g := range wanted.GroupByCause(left) {
		switch {
		case g.Mends && slices.ContainsFunc(tried, g.Same):
			a.note(fmt.Errorf("%s, still; %s", g.What, next(g.Finding)))
		case slices.ContainsFunc(g.Consequences, func(f wanted.Finding) bool { return f.Mends && slices.ContainsFunc(tried, f.Same) }):
			a.note(fmt.Errorf("%s; %s", g.What, g.Remedy))
		}
	}
}

// next is what people can do about what a refresh could not mend.
func next(f wanted.Finding) string {
	if f.Unit != "" {
		return "look at systemctl status " + f.Unit
	}
	return "look at systemctl status " + layout.PreflightService
}

// conflicts reports ports that other processes have, which stops nothing.
func (a *applier) conflicts(found []wanted.Finding) {
	for _, f := range found {
		if f.Check == wanted.CheckPorts {
			a.rep.problem("%s: %s", f.What, f.Remedy)
			a.log.Error(f.What+": "+f.Remedy, journal.Rpcd, f.Rpcd, journal.Transport, string(layout.TCP), journal.MessageID, journal.IDPortUnavailable)
		}
	}
}
