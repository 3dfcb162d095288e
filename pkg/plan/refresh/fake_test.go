// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"path"
	"slices"
	"strings"
	"syscall"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
)

// fakeSystemd keeps unit states and writes down the verbs. A reload runs
// generate, a start or restart makes units active.
type fakeSystemd struct {
	units    map[string]systemctl.Unit
	after    map[string][]string
	self     string
	fail     map[string]error // "verb unit" -> error
	generate func()
	log      []string
}

func (f *fakeSystemd) Get(_ context.Context, names ...string) ([]systemctl.Unit, error) {
	var r []systemctl.Unit
	for _, n := range names {
		u, ok := f.units[n]
		if !ok {
			u = systemctl.Unit{Load: "loaded", Active: "inactive"}
		}
		u.Name = n
		r = append(r, u)
	}
	return r, nil
}

func (f *fakeSystemd) List(_ context.Context, patterns ...string) ([]systemctl.Unit, error) {
	var r []systemctl.Unit
	for n, u := range f.units {
		for _, p := range patterns {
			if ok, _ := path.Match(p, n); ok {
				u.Name = n
				r = append(r, u)
			}
		}
	}
	slices.SortFunc(r, func(a, b systemctl.Unit) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

func (f *fakeSystemd) Properties(_ context.Context, unit string) (systemctl.Properties, error) {
	return systemctl.Properties{"After": f.after[unit]}, nil
}

func (f *fakeSystemd) UnitOf(context.Context, int) (string, error) { return f.self, nil }

func (f *fakeSystemd) do(verb, unit, active string) error {
	f.log = append(f.log, strings.TrimSpace(verb+" "+unit))
	if err := f.fail[verb+" "+unit]; err != nil {
		return err
	}
	if unit != "" {
		u := f.units[unit]
		u.Active = active
		f.units[unit] = u
	}
	return nil
}

func (f *fakeSystemd) DaemonReload(context.Context) error {
	if f.generate != nil {
		f.generate()
	}
	return f.do("daemon-reload", "", "")
}
func (f *fakeSystemd) Start(_ context.Context, u string) error { return f.do("start", u, "active") }
func (f *fakeSystemd) StartNoWait(_ context.Context, u string) error {
	return f.do("start-no-wait", u, "active")
}
func (f *fakeSystemd) Stop(_ context.Context, u string) error { return f.do("stop", u, "inactive") }

// Restart of a service with listeners starts these, as Sockets= makes it.
func (f *fakeSystemd) Restart(_ context.Context, u string) error {
	o := unitOwner(u)
	if (o.part == partBroker || f.units[layout.BrokerService(o.name)].Load == "") && f.fail["restart "+u] == nil {
		f.startListeners(o.name)
	}
	return f.do("restart", u, "active")
}

func (f *fakeSystemd) RestartNoWait(ctx context.Context, u string) error { return f.Restart(ctx, u) }
func (f *fakeSystemd) Kill(_ context.Context, u string, _ syscall.Signal) error {
	return f.do("kill", u, "active")
}

func (f *fakeSystemd) startListeners(name string) {
	for _, t := range layout.Transports {
		if u := f.units[layout.ListenerSocket(t, name)]; u.Load != "masked" {
			u.Active = "active"
			f.units[layout.ListenerSocket(t, name)] = u
		}
	}
}
func (f *fakeSystemd) Reload(_ context.Context, u string) error { return f.do("reload", u, "active") }
func (f *fakeSystemd) ReloadNoWait(_ context.Context, u string) error {
	return f.do("reload-no-wait", u, "active")
}
func (f *fakeSystemd) ResetFailed(_ context.Context, u string) error {
	return f.do("reset-failed", u, "inactive")
}

// texts are problems as people see them.
func texts(problems []config.Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.String())
	}
	return list
}
