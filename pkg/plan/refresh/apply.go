// SPDX-License-Identifier: Apache-2.0

// Bringing changed units to systemd, in an order that closes nothing that
// stays (DESIGN: from --list-interfaces to units):
//
//	stop what goes -> daemon-reload -> preflight -> drain changed workers of
//	Samba's kind -> restart other changed services -> start msrpc.target -> heal
//
// Restarted are brokers and native workers, whose connections outlive it.
//
// Refresh may run inside the boot transaction, or in msrpc-refresh.service at
// any time. So nothing is waited for that is ordered after the unit this
// process runs in.

package refresh

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/unitgen"
	"msrpcd/pkg/plan/wanted"
	"msrpcd/pkg/wire/printable"
)

// Manager is what refresh needs of systemd; *systemctl.Conn has it.
type Manager interface {
	wanted.Manager
	UnitOf(ctx context.Context, pid int) (string, error)
	StartNoWait(ctx context.Context, unit string) error
	ReloadNoWait(ctx context.Context, unit string) error
}

type applier struct {
	m            Manager
	plan         *plan.Plan
	rep          *Report
	log          *slog.Logger
	generatorDir string
	keep         func() error                        // keeps the planned units for the generator; nil: it does that itself
	look         func(context.Context) *wanted.State // nil: nothing is mended

	self   string // unit that this process runs in, "" for none
	errs   []error
	failed []string // services that could not be restarted
}

// run applies the plan. An error of one unit does not keep the others from
// being served; errors are joined.
func (a *applier) run(ctx context.Context) error {
	files, err := unitgen.Files(a.plan)
	if err != nil {
		return err
	}
	a.keep = func() error { return unitgen.Keep(layout.LastUnits(), files) }
	return a.apply(ctx, unitgen.Texts(files))
}

// apply makes systemd's units those that are planned.
func (a *applier) apply(ctx context.Context, planned map[string]string) error {
	old, err := unitgen.ReadUnits(a.generatorDir)
	if err != nil {
		return err
	}
	c := compare(old, planned)
	a.rep.Units = len(c.files)
	if a.self, err = a.m.UnitOf(ctx, os.Getpid()); err != nil {
		return err
	}
	wanted, err := a.targetWanted(ctx)
	if err != nil {
		return err
	}
	if len(c.files) > 0 {
		if err := a.change(ctx, c, planned, wanted); err != nil {
			return err
		}
	}
	if wanted {
		a.heal(ctx)
		for _, unit := range a.failed { // perhaps what was missing is mended now
			if a.note(a.m.Restart(ctx, unit)) {
				a.did("restart %s", unit)
			}
		}
	} else {
		a.did("%s is not active: nothing is started; do it with systemctl start %s", layout.Target, layout.Target)
	}
	return errors.Join(a.errs...)
}

// targetWanted distinguishes a target that is to serve from one that was stopped.
func (a *applier) targetWanted(ctx context.Context) (bool, error) {
	units, err := a.m.Get(ctx, layout.Target)
	if err != nil {
		return false, err
	}
	return units[0].Up() || units[0].Queued(), nil
}

func (a *applier) change(ctx context.Context, c changes, planned map[string]string, wanted bool) error {
	if a.keep != nil { // for which there may be no room: then nothing is stopped
		if err := a.keep(); err != nil {
			return err
		}
	}
	if link := layout.Target + ".wants/" + layout.NetworkSocket; slices.Contains(c.files, link) && planned[link] == "" {
		if up, err := a.up(ctx, layout.NetworkSocket); a.note(err) && up {
			a.note(a.m.Stop(ctx, layout.NetworkSocket))
		}
	}
	if err := a.stopGone(ctx, c); err != nil {
		return err
	}
	if err := a.m.DaemonReload(ctx); err != nil {
		if wanted { // with the units of before
			a.wait(ctx, "start", layout.Target)
			a.heal(ctx) // sockets whose service runs start with its restart only
		}
		return errors.Join(append(a.errs, err)...)
	}
	a.did("daemon-reload: %s changed", printable.Count(len(c.files), "unit file"))
	if now, err := unitgen.ReadUnits(a.generatorDir); err != nil {
		return err
	} else if d := compare(now, planned); len(d.files) > 0 {
		a.rep.problem("msrpc-generator wrote other units than planned (%s differs): is it in systemd's system-generators directory, and of this version?", d.files[0])
	}
	if slices.Contains(c.files, unitgen.ProblemService) && planned[unitgen.ProblemService] == "" {
		units, err := a.m.Get(ctx, unitgen.ProblemService)
		if a.note(err) && units[0].Active == "failed" {
			a.note(a.m.ResetFailed(ctx, unitgen.ProblemService))
		}
	}
	if !wanted {
		return nil
	}
	// Directories and status files of new rpcds are there before their sockets.
	if pre, err := a.m.Get(ctx, layout.PreflightService); err != nil {
		return err
	} else if pre[0].Active == "active" {
		a.wait(ctx, "reload", layout.PreflightService)
	}
	for _, r := range c.rpcds {
		if p := a.plan.Rpcd(r.name); p != nil && r.worker {
			if err := a.drain(ctx, p); err != nil {
				return err
			}
		}
	}
	for _, r := range c.rpcds {
		if err := a.restart(ctx, r); err != nil {
			return err
		}
	}
	a.wait(ctx, "start", layout.Target)
	return nil
}

// restart restarts what runs of a changed rpcd; what does not is started by its
// socket.
func (a *applier) restart(ctx context.Context, c change) error {
	r := a.plan.Rpcd(c.name)
	if r == nil {
		return nil
	}
	var services []string
	if c.service || c.worker && r.Direct {
		services = append(services, r.Service())
	}
	if c.worker && r.Kind == config.KindNative && !r.Direct {
		units, err := a.m.List(ctx, layout.Instances(layout.WorkerTemplate(r.Name)))
		if err != nil {
			return err
		}
		for _, u := range units {
			services = append(services, u.Name)
		}
	}
	units, err := a.m.Get(ctx, services...)
	if err != nil {
		return err
	}
	for _, u := range units {
		if !u.Up() {
			continue
		}
		if a.m.Restart(ctx, u.Name) != nil {
			a.failed = append(a.failed, u.Name)
		} else {
			a.did("restart %s", u.Name)
		}
	}
	return nil
}

// stopGone stops, while systemd still knows them: everything of rpcds that go,
// sockets before the services that they would start again, and listeners that
// go or change of rpcds that stay. An rpcd that gets or loses a broker begins
// again, since the old owner of its listeners would keep them.
func (a *applier) stopGone(ctx context.Context, c changes) error {
	var stop []string
	whole := slices.Clone(c.removed)
	for _, r := range c.rpcds {
		if r.switched {
			whole = append(whole, r.name)
		}
	}
	for _, name := range whole {
		for _, t := range layout.Transports {
			stop = append(stop, layout.ListenerSocket(t, name))
		}
		sets, err := a.m.List(ctx, layout.AddressSockets(name))
		if err != nil {
			return err
		}
		for _, u := range sets {
			stop = append(stop, u.Name)
		}
		stop = append(stop, layout.BrokerService(name))
		for _, template := range []string{layout.InboxTemplate(name), layout.WorkerTemplate(name)} {
			units, err := a.m.List(ctx, layout.Instances(template))
			if err != nil {
				return err
			}
			for _, u := range units {
				stop = append(stop, u.Name)
			}
		}
	}
	for _, r := range c.rpcds {
		if !r.switched {
			stop = append(stop, r.gone...)
			stop = append(stop, r.changed...)
		}
	}
	units, err := a.m.Get(ctx, stop...)
	if err != nil {
		return err
	}
	for _, u := range units {
		if u.Active == "inactive" {
			continue
		}
		if u.Active == "failed" {
			a.note(a.m.ResetFailed(ctx, u.Name))
			continue
		}
		a.brief(ctx, u.Name)
		if a.note(a.m.Stop(ctx, u.Name)) {
			a.did("stopped %s", u.Name)
		}
	}
	return nil
}
