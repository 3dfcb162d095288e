// SPDX-License-Identifier: Apache-2.0

package scripts

// The control group of the service, as the files of the kernel show it.

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/wire/printable"
)

const maxCommand = 120 // bytes of a command line that are shown

// group is a control group that belongs to one unit.
type group struct {
	unit  string // name of the unit
	procs string // file with its processes
	proc  string // /proc, except in tests
}

// ownGroup finds the control group of this process.
func ownGroup() (*group, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find the own control group: %w", err)
	}
	return findGroup(string(own), "/sys/fs/cgroup")
}

// findGroup looks below root, where control groups are mounted, for the one
// that own, the text of /proc/PID/cgroup, names: in the unified hierarchy, or
// in systemd's own where there is none.
func findGroup(own, root string) (*group, error) {
	for _, line := range strings.Split(own, "\n") {
		id, rest, _ := strings.Cut(line, ":")
		controllers, dir, _ := strings.Cut(rest, ":")
		var mounts []string
		switch {
		case id == "0" && controllers == "":
			mounts = []string{"", "unified"}
		case controllers == "name=systemd":
			mounts = []string{"systemd"}
		}
		for _, m := range mounts {
			procs := filepath.Join(root, m, dir, "cgroup.procs")
			// The root group is never a unit's.
			if _, err := os.Stat(procs); err == nil && path.Clean(dir) != "/" {
				return &group{unit: path.Base(dir), procs: procs, proc: "/proc"}, nil
			}
		}
	}
	return nil, errors.New("cannot find the own control group below " + root + "; is it mounted?")
}

// process is one process of the group.
type process struct {
	pid     int
	program string // path that it was started from, "" when it cannot be read
}

// others kills the processes of program and returns all others but this one.
func (g *group) others(program string) ([]process, error) {
	text, err := os.ReadFile(g.procs)
	if err != nil {
		return nil, fmt.Errorf("read the processes of %s: %w", g.unit, err)
	}
	var left []process
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil || pid <= 0 || pid == os.Getpid() {
			continue
		}
		exe, _ := os.Readlink(filepath.Join(g.proc, word, "exe"))
		p := process{pid, strings.TrimSuffix(exe, " (deleted)")}
		if p.program == program {
			unix.Kill(pid, unix.SIGKILL)
			continue
		}
		left = append(left, p)
	}
	return left, nil
}

// command is the command line of a process, fit for one line.
func (g *group) command(p process) string {
	f, err := os.Open(filepath.Join(g.proc, strconv.Itoa(p.pid), "cmdline"))
	if err != nil {
		return printable.Text(p.program)
	}
	defer f.Close()
	text := make([]byte, 256)
	n, _ := f.Read(text)
	if n == 0 {
		return printable.Text(p.program)
	}
	return printable.Cut(strings.TrimRight(strings.ReplaceAll(string(text[:n]), "\x00", " "), " "), maxCommand)
}
