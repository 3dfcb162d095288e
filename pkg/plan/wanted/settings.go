// SPDX-License-Identifier: Apache-2.0

// Items of settings: systemd has read the unit files as they are, a service has
// all its listeners among its sockets, and what runs was started with the
// settings that its unit has now.

package wanted

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/printable"
)

// loaded: systemd has read all files of our units.
func (s *State) notLoaded() []Finding {
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(s.details)) {
		if load := s.units[name].Load; s.details[name].Flag("NeedDaemonReload") && load == "loaded" {
			stale = append(stale, name)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	more := ""
	if n := len(stale); n > 1 {
		more = fmt.Sprintf(" (and of %d more)", n-1)
	}
	return []Finding{found(checkUnitFiles, "files of %s%s changed and systemd has not read them", stale[0], more).of("", stale[0]).
		named("not loaded", "unit files", "catalogue").refreshed(mend{step: stepReload}).
		remedy("run systemctl daemon-reload, then "+runRefresh, "systemctl daemon-reload", refreshCommand)}
}

// settings: broker and workers of one rpcd run with what their units say.
type settings struct{ r *plan.Rpcd }

func (o settings) Check(_ context.Context, s *State) []Finding {
	if s.units == nil || !s.serving() {
		return nil
	}
	fs := o.sockets(s)
	services := []string{o.r.Service()}
	for i := range o.r.Workers + o.r.Spares {
		if name := layout.WorkerService(o.r.Name, i); name != services[0] && s.units[name].Active == "active" {
			services = append(services, name)
		}
	}
	for _, name := range services {
		if s.units[name].Active != "active" || !s.Root || s.leaves(o.r, name) {
			continue
		}
		if what := s.older(name, o.r); what != "" {
			f := found(checkSettings, "%s runs with older settings: %s", name, what).of(o.r.Name, name).
				named("settings "+name, "status "+o.r.Name).refreshed(mend{step: stepRenew, unit: name, rpcd: o.r.Name})
			fs = append(fs, f.remedy(runRefresh+", which restarts it, or lets it end when its clients have", refreshCommand))
		}
	}
	return fs
}

// leaves reports whether a worker takes no new clients any more: its old settings
// end with its last connection.
func (s *State) leaves(r *plan.Rpcd, service string) bool {
	n, _ := layout.ParseUnit(service)
	return n.Kind == layout.KindWorker && !r.Direct && s.statuses[r.Name].leaves[n.Index]
}

// sockets compares a service's listeners with those that systemd gives it.
func (o settings) sockets(s *State) []Finding {
	p, ok := s.details[o.r.Service()]
	if !ok {
		return nil
	}
	for _, l := range o.r.Listeners {
		if u, _ := s.unit(l.Unit); u.Load == "loaded" && !slices.Contains(p.Texts("TriggeredBy"), l.Unit) {
			return []Finding{found(checkSettings, "systemd does not know that %s belongs to %s", l.Unit, o.r.Service()).of(o.r.Name, o.r.Service()).
				named("sockets "+o.r.Name, "unit files", "not loaded").refreshed(mend{step: stepReload})}
		}
	}
	return nil
}

// older says what a running service has that its unit has no more, "" for
// nothing.
func (s *State) older(name string, r *plan.Rpcd) string {
	p := s.details[name]
	pid, ok := s.mainPID(name)
	if !ok || p.Flag("NeedDaemonReload") {
		return ""
	}
	environment := p.Texts("Environment")
	if argv := p.Command("ExecStart"); len(argv) > 0 {
		is := strings.Split(strings.TrimSuffix(s.read(fmt.Sprint(pid), "cmdline"), "\x00"), "\x00")
		for i, a := range argv {
			if a = expand(a, environment); len(is) > 1 && (i >= len(is) || is[i] != a) {
				return "its command line lacks " + printable.Quote(a, 80)
			}
		}
	}
	if has := s.read(fmt.Sprint(pid), "environ"); has != "" {
		all := strings.Split(has, "\x00")
		for _, e := range environment {
			if !slices.Contains(all, e) {
				return "its environment lacks " + printable.Text(e)
			}
		}
	}
	if f := newer(p); f != "" {
		return fmt.Sprintf("%s is newer than its process", printable.Text(f))
	}
	if mapped, ok := s.mapped(pid, layout.StatusFile(r.Name)); ok && !mapped {
		return layout.StatusFile(r.Name) + " is another file than the one that it has"
	}
	return ""
}

// newer is a file of the unit, not one of the generator or of systemctl
// set-property, that changed after its process was started.
func newer(p systemctl.Properties) string {
	start, ok := p.Number("ExecMainStartTimestamp")
	if !ok || start == 0 {
		return ""
	}
	began := time.UnixMicro(int64(start))
	for _, f := range append(p.Texts("DropInPaths"), p.Text("FragmentPath")) {
		if strings.HasPrefix(f, layout.GeneratorUnits+"/") || strings.Contains(f, "/system.control/") {
			continue
		}
		if st, err := os.Stat(f); f != "" && err == nil && st.ModTime().After(began) && time.Since(st.ModTime()) > 0 {
			return f
		}
	}
	return ""
}

// expand replaces ${NAME} by its value, as systemd does.
func expand(word string, environment []string) string {
	for _, e := range environment {
		if name, value, ok := strings.Cut(e, "="); ok {
			word = strings.ReplaceAll(word, "${"+name+"}", value)
		}
	}
	return strings.ReplaceAll(word, "$$", "$")
}
