// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// kill -9 of every kind of process. Each is stopped before, so that what its
// clients are is known: these may see an error, and no others.

// part is a process to kill: the main process of a unit, or the rpcd in it.
type part struct {
	rpcd  string
	unit  func(i int) string
	child bool // the unmodified rpcd, not the adaptor
}

var killed = []part{
	{"winreg", func(int) string { return brokerUnit }, false},
	{"winreg", func(i int) string { return fmt.Sprintf("msrpc-worker-winreg@%d.service", i/5%5) }, false},
	{"winreg", func(i int) string { return fmt.Sprintf("msrpc-worker-winreg@%d.service", i/5%5) }, true},
	{"rpcecho", func(int) string { return "msrpc-worker-rpcecho@0.service" }, false},
	{"epmapper", func(int) string { return mapperUnit }, false},
}

// killEveryKind kills one after the other; l.own counts whose process it was.
func killEveryKind(h *host, l *steadyLoad) {
	files := map[string]*status.File{}
	for _, p := range killed {
		if files[p.rpcd] == nil {
			files[p.rpcd] = h.statusFile(p.rpcd)
			defer files[p.rpcd].Close()
		}
	}
	for i := range times(15, 500) {
		p := killed[i%len(killed)]
		f, unit := files[p.rpcd], p.unit(i)
		h.eventually(func() error {
			if h.property(unit, "SubState") != "running" {
				h.load("-net", "unix", "-addr", winregNcalrpc, "-c", "20", "-n", "40") // all workers run
				return fmt.Errorf("%s does not run", unit)
			}
			return h.killStopped(unit, func() (pid int, own uint64) {
				if unit == brokerUnit { // accepted, neither parked nor handed over
					b := f.Broker()
					return int(b.PID.Load()), uint64(max(int(b.Pending.Load())-int(b.Parked.Load()), 0)) + 1
				}
				n, _ := layout.ParseUnit(unit)
				w := f.Worker(n.Index)
				if p.child {
					return int(w.ChildPID.Load()), w.Open()
				}
				return int(w.PID.Load()), w.Open()
			}, l)
		})
		l.flow(uint64(times(30, 60)))
	}
}

// killStopped kills the process that look names, while its unit is frozen, and
// counts how many connections go with it.
func (h *host) killStopped(unit string, look func() (pid int, own uint64), l *steadyLoad) error {
	h.t.Helper()
	group := h.property(unit, "ControlGroup")
	if group == "" {
		return fmt.Errorf("%s has ended", unit)
	}
	group = h.Path("/sys/fs/cgroup" + group)
	control := func(value string) error { return os.WriteFile(group+"/cgroup.freeze", []byte(value), 0) }
	if err := control("1"); err != nil {
		return err // it ended just now
	}
	h.eventually(func() error {
		if b, err := os.ReadFile(group + "/cgroup.events"); err != nil || !strings.Contains(string(b), "frozen 1") {
			return fmt.Errorf("not frozen: %s, %v", b, err)
		}
		return nil
	})
	pid, own := look()
	if pid == 0 {
		return errors.Join(fmt.Errorf("%s starts", unit), control("0"))
	}
	if out, rc := h.try("kill", "-KILL", fmt.Sprint(pid)); rc != 0 { // an rpcd that ended just before
		return errors.Join(fmt.Errorf("%s: %s", unit, out), control("0"))
	}
	l.own += own
	if err := control("0"); err != nil && !errors.Is(err, syscall.ENODEV) && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
