// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"fmt"
	"os"
	"path/filepath"

	"msrpcd/pkg/host/layout"
)

// maskDirs are where masks are, with the option that unmask(1) needs for them.
var maskDirs = []struct{ dir, option string }{{layout.AdminUnits, ""}, {layout.RuntimeUnits, " --runtime"}}

// masked finds a unit that cannot be started because it is masked. A listener
// that is masked was switched off, as msrpcctl transport does it.
func (s *State) masked(f Finding, n layout.Unit) (Finding, bool) {
	if n.Kind == layout.KindListener {
		return f, false
	}
	what := map[bool]string{true: "no client is served by it", false: "it cannot be started"}[n.Kind == layout.KindWorker || n.Kind == layout.KindBroker]
	switch f.Unit {
	case layout.PreflightService:
		what = "no named pipe is served"
	case layout.RefreshPath, layout.RefreshService:
		what = "changes of programs and configuration go unnoticed"
	}
	unmask := "systemctl unmask " + f.Unit
	if name, option, ok := maskOf(f.Unit, n.Template()); ok {
		unmask = "systemctl unmask" + option + " " + name
	}
	f.What = fmt.Sprintf("%s is masked: %s", f.Unit, what)
	f = f.named("mask "+unmask, "mask "+unmask) // many instances, one template
	return f.remedy(fmt.Sprintf("run %s, then %s; to switch listeners off there is msrpcctl transport off", unmask, refreshCommand), unmask, refreshCommand), true
}

// maskOf finds the link that masks a unit or its template.
func maskOf(unit, template string) (name, option string, ok bool) {
	for _, d := range maskDirs {
		for _, n := range []string{unit, template} {
			if target, err := os.Readlink(filepath.Join(d.dir, n)); n != "" && err == nil && target == "/dev/null" {
				return n, d.option, true
			}
		}
	}
	return "", "", false
}
