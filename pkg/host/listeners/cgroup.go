// SPDX-License-Identifier: Apache-2.0

// Which unit a process runs in: the name of its control group in systemd's
// hierarchy, which everybody may read.

package listeners

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// UnitOf names the unit that process pid below proc ("/proc") runs in, "" for
// none.
func UnitOf(proc string, pid int) string {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return ""
	}
	return unitOf(string(b))
}

// unitOf reads cgroup(7)'s "0::/system.slice/smbd.service", or the line of the
// hierarchy that systemd names on a host with version 1. Below a unit there may
// be groups of its own.
func unitOf(text string) string {
	unit := ""
	for _, line := range strings.Split(text, "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 || f[1] != "" && f[1] != "name=systemd" {
			continue
		}
		for dir := f[2]; len(dir) > 1; dir = path.Dir(dir) {
			switch base := path.Base(dir); path.Ext(base) {
			case ".service", ".scope", ".socket", ".mount", ".swap":
				unit = base
			}
		}
		if unit != "" {
			break
		}
	}
	return unit
}
