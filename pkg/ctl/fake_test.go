// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/unitgen"
)

// fakeSystemd is a systemd whose state is a text file, one unit a line: "NAME
// LOAD ACTIVE SUB". What is asked of it is appended to FILE.log. Its reload
// runs the generator.
type fakeSystemd struct {
	file, generator string
	units           map[string]systemctl.Unit
}

func openFake(file, generator string) (manager, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f := &fakeSystemd{file, generator, map[string]systemctl.Unit{}}
	for _, line := range strings.Split(string(text), "\n") {
		if w := strings.Fields(line); len(w) == 4 {
			f.units[w[0]] = systemctl.Unit{Name: w[0], Description: "Unit " + w[0], Load: w[1], Active: w[2], Sub: w[3]}
		}
	}
	return f, nil
}

func (f *fakeSystemd) Close() {
	var lines []string
	for n, u := range f.units {
		lines = append(lines, strings.Join([]string{n, u.Load, u.Active, u.Sub}, " "))
	}
	sort.Strings(lines)
	os.WriteFile(f.file, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

func (f *fakeSystemd) do(load, active, sub string, verb string, units ...string) error {
	log, err := os.OpenFile(f.file+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.TrimSpace(verb+" "+strings.Join(units, " ")))
	for _, n := range units {
		u := f.get(n)
		if verb == "start" && u.Load == "masked" {
			return fmt.Errorf("start %s: %w", n, systemctl.ErrMasked)
		}
		for _, v := range []struct {
			to *string
			is string
		}{{&u.Load, load}, {&u.Active, active}, {&u.Sub, sub}} {
			if v.is != "" {
				*v.to = v.is
			}
		}
		f.units[n] = u
	}
	f.Close()
	return nil
}

func (f *fakeSystemd) get(name string) systemctl.Unit {
	u, ok := f.units[name]
	if !ok {
		u = systemctl.Unit{Load: "loaded", Active: "inactive", Sub: "dead"}
	}
	u.Name = name
	return u
}

func (f *fakeSystemd) Get(_ context.Context, names ...string) ([]systemctl.Unit, error) {
	var r []systemctl.Unit
	for _, n := range names {
		r = append(r, f.get(n))
	}
	return r, nil
}

func (f *fakeSystemd) List(_ context.Context, patterns ...string) ([]systemctl.Unit, error) {
	var r []systemctl.Unit
	for n := range f.units {
		for _, p := range patterns {
			if ok, _ := path.Match(p, n); ok {
				r = append(r, f.get(n))
				break
			}
		}
	}
	sort.Slice(r, func(i, j int) bool { return r[i].Name < r[j].Name })
	return r, nil
}

func (f *fakeSystemd) Properties(context.Context, string) (systemctl.Properties, error) {
	return systemctl.Properties{"MemoryCurrent": uint64(3 << 20)}, nil
}
func (f *fakeSystemd) UnitOf(context.Context, int) (string, error) { return "", nil }

func (f *fakeSystemd) DaemonReload(context.Context) error {
	if err := os.RemoveAll(f.generator); err != nil {
		return err
	}
	if err := os.Mkdir(f.generator, 0o755); err != nil {
		return err
	}
	in := unitgen.DefaultInputs()
	in.LastGood = filepath.Join(filepath.Dir(f.generator), "last")
	if err := unitgen.Generate(f.generator, in); err != nil {
		return err
	}
	return f.do("", "", "", "daemon-reload")
}

func (f *fakeSystemd) Start(_ context.Context, u string) error {
	return f.do("", "active", "listening", "start", u)
}
func (f *fakeSystemd) StartNoWait(ctx context.Context, u string) error { return f.Start(ctx, u) }
func (f *fakeSystemd) Stop(_ context.Context, u string) error {
	return f.do("", "inactive", "dead", "stop", u)
}
func (f *fakeSystemd) Restart(_ context.Context, u string) error {
	return f.do("", "active", "running", "restart", u)
}
func (f *fakeSystemd) RestartNoWait(ctx context.Context, u string) error { return f.Restart(ctx, u) }
func (f *fakeSystemd) Reload(_ context.Context, u string) error          { return f.do("", "", "", "reload", u) }
func (f *fakeSystemd) ReloadNoWait(ctx context.Context, u string) error  { return f.Reload(ctx, u) }
func (f *fakeSystemd) ResetFailed(_ context.Context, u string) error {
	return f.do("", "inactive", "dead", "reset-failed", u)
}

// Kill signals the process that is in the status file of the unit's rpcd.
func (f *fakeSystemd) Kill(_ context.Context, unit string, sig syscall.Signal) error {
	if os.Getenv("ORDINARY") != "" {
		return fmt.Errorf("send %v to %s: Access denied; run this as root", sig, unit)
	}
	name, index, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(unit, "msrpc-worker-"), ".service"), "@")
	i, _ := strconv.Atoi(index)
	s, err := status.Open(layout.StatusFile(name), false)
	if err != nil {
		return systemctl.ErrNoProcess
	}
	defer s.Close()
	return syscall.Kill(int(s.Worker(i).PID.Load()), sig)
}

func (f *fakeSystemd) Mask(_ context.Context, runtime bool, u ...string) error {
	if _, err := os.Stat(f.file + ".readonly"); err == nil && !runtime {
		return fmt.Errorf("mask: %w", systemctl.ErrReadOnly)
	}
	return f.do("masked", "", "", map[bool]string{false: "mask", true: "mask --runtime"}[runtime], u...)
}
func (f *fakeSystemd) Unmask(_ context.Context, u ...string) error {
	return f.do("loaded", "", "", "unmask", u...)
}
