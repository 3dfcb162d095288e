// SPDX-License-Identifier: Apache-2.0

// Items of the host: the target, what it starts beside listeners, and whether
// systemd can make sandboxes at all.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/preflight"
)

// target: it is up and will be after the next boot, and programs are watched.
type target struct{}

func (target) Check(_ context.Context, s *State) []Finding {
	u, ok := s.unit(layout.Target)
	if !ok {
		return nil
	}
	var fs []Finding
	if !u.Up() && !u.Queued() {
		fs = append(fs, found(checkTarget, "%s is %s: nothing is served", layout.Target, u.Active).of("", layout.Target).named("target").
			remedy("run systemctl enable --now "+layout.Target, "systemctl enable --now "+layout.Target))
	} else if p := s.details[layout.Target]; p != nil && !enabled(p.Text("UnitFileState"), p.Texts("WantedBy"), p.Texts("RequiredBy")) {
		fs = append(fs, found(checkTarget, "%s is not enabled: nothing is served after the next boot", layout.Target).of("", layout.Target).
			remedy("run systemctl enable "+layout.Target, "systemctl enable "+layout.Target))
	}
	if w, _ := s.unit(layout.RefreshPath); s.serving() && !w.Up() && w.Load != "masked" {
		fs = append(fs, found(checkTarget, "%s is %s: changes of programs and configuration go unnoticed", layout.RefreshPath, w.Active).
			of("", layout.RefreshPath).named("path").refreshed(mend{step: stepStart, unit: layout.RefreshPath}))
	}
	return fs
}

// enabled holds for what a boot starts: the unit is enabled, or another unit
// wants it.
func enabled(state string, wantedBy ...[]string) bool {
	for _, w := range wantedBy {
		if len(w) > 0 && state != "enabled-runtime" {
			return true
		}
	}
	return state == "enabled" || state == "" // unknown
}

// preflightUnit: directories were made and smb.conf is fit.
type preflightUnit struct{}

const autoRestart = "auto-restart" // it failed, and systemd waits to try it again

func (preflightUnit) Check(_ context.Context, s *State) []Finding {
	u, ok := s.unit(layout.PreflightService)
	if !ok || u.Up() && u.Sub != autoRestart || u.Load == "masked" || !s.serving() {
		return nil
	}
	what := fmt.Sprintf("%s is %s: no named pipe is served", layout.PreflightService, u.Active)
	f := found(checkPreflight, "%s%s", what, s.reason(layout.PreflightService)).of("", layout.PreflightService).
		named("preflight", "smb.conf", fileSystemID).refreshed(mend{step: stepDirectories})
	if s.sambaErr != nil || s.samba != nil && s.samba.HelpersOnDemand {
		f.Mends, f.mend = false, mend{}
	}
	f.Remedy = fmt.Sprintf("%s; systemctl status %s says what it misses", runRefresh, layout.PreflightService)
	return []Finding{f}
}

// sandbox: systemd has the capability that the sandboxes of services need.
type sandbox struct{}

func (sandbox) Check(_ context.Context, s *State) []Finding {
	for _, line := range strings.Split(s.read("1", "status"), "\n") {
		text, ok := strings.CutPrefix(line, "CapBnd:")
		set, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		if !ok || err != nil || set&(1<<unix.CAP_SYS_ADMIN) != 0 {
			continue
		}
		return []Finding{found(checkSandbox, "systemd has no CAP_SYS_ADMIN here, so that it can make no sandbox (226/NAMESPACE): no broker and no native rpcd starts").
			named("sandbox").
			remedy("this is a container that must not nest: allow it (Incus and LXD: security.nesting=true; LXC: lxc.include = /usr/share/lxc/config/nesting.conf and no lxc.cap.drop = sys_admin) and start the container again")}
	}
	return nil
}

// directory is one that has to be there with an exact mode and owner.
type directory struct{ d preflight.Directory }

func directoryID(path string) string { return "directory " + path }

func (d directory) Check(_ context.Context, s *State) []Finding {
	err := d.d.Check()
	if err == nil {
		return nil
	}
	if !s.Root && errors.Is(err, fs.ErrPermission) {
		s.unknown(checkDirectories, errNotRoot, false)
		return nil
	}
	if !s.Root && errors.Is(err, preflight.ErrOwner) {
		return nil // it is compared with the user of this process
	}
	return []Finding{found(checkDirectories, "%v", err).named(directoryID(d.d.Path), directoryID(filepath.Dir(d.d.Path)), fileSystemID, "target").
		refreshed(mend{step: stepDirectories}).
		remedy(runRefresh+", or systemctl reload-or-restart "+layout.PreflightService, "systemctl reload-or-restart "+layout.PreflightService, refreshCommand)}
}
