// SPDX-License-Identifier: Apache-2.0

package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

func TestTheOwnControlGroupIsFoundInEachHierarchy(t *testing.T) {
	const unit = "/msrpc.slice/msrpc-winreg.slice/msrpc-worker-winreg@0.service"
	for name, c := range map[string]struct{ own, mount, want string }{
		"unified":      {"0::" + unit + "\n", "", unit},
		"hybrid":       {"9:name=systemd:" + unit + "\n8:pids:/x\n0::" + unit + "\n", "unified", unit},
		"legacy":       {"3:cpu:/\n1:name=systemd:" + unit + "\n", "systemd", unit},
		"v2 beside v1": {"9:name=systemd:/\n0::" + unit + "\n", "", unit},
		"root":         {"0::/\n", "", ""},
		"none":         {"3:cpu:" + unit + "\n", "", ""},
		"no such dir":  {"0::/other\n", "", ""},
		"not a list":   {"0::\nx\n:::\n\xff", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, dir := range []string{filepath.Join(root, c.mount, unit), filepath.Join(root, "systemd")} {
				check.OK(t, os.MkdirAll(dir, 0o755))
				check.OK(t, os.WriteFile(filepath.Join(dir, "cgroup.procs"), nil, 0o644))
			}
			g, err := findGroup(c.own, root)
			if c.want == "" {
				if err == nil {
					t.Errorf("found %+v", g)
				}
				return
			}
			if err != nil || g.unit != filepath.Base(c.want) || g.procs != filepath.Join(root, c.mount, c.want, "cgroup.procs") {
				t.Errorf("found %+v, %v", g, err)
			}
		})
	}
}

func TestTheProgramIsKilledAndOthersAreListed(t *testing.T) {
	start := func(program string) *exec.Cmd {
		cmd := exec.Command(program, "60")
		check.OK(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill() })
		return cmd
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	if sleep, err = filepath.EvalSymlinks(sleep); err != nil {
		t.Fatal(err)
	}
	text := check.File(t, sleep)
	rpcd := filepath.Join(t.TempDir(), "sleep")
	check.OK(t, os.WriteFile(rpcd, text, 0o755))
	hung, replaced, script := start(rpcd), start(rpcd), start(sleep)
	for _, c := range []*exec.Cmd{hung, replaced} { // else its exe is still the test's own
		waitFor(t, func() bool { exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.Process.Pid)); return exe == rpcd })
	}
	if err := os.Remove(rpcd); err != nil { // as an upgrade does
		t.Fatal(err)
	}
	g := &group{unit: "x.service", procs: filepath.Join(t.TempDir(), "procs"), proc: "/proc"}
	procs := fmt.Sprintf("%d\n%d\n%d\n0\nx\n-1\n%d\n", os.Getpid(), hung.Process.Pid, replaced.Process.Pid, script.Process.Pid)
	check.OK(t, os.WriteFile(g.procs, []byte(procs), 0o644))
	waitFor(t, func() bool { return strings.Contains(g.command(process{pid: script.Process.Pid}), "60") })
	left, err := g.others(rpcd)
	if err != nil || len(left) != 1 || left[0].pid != script.Process.Pid || left[0].program != sleep {
		t.Errorf("left: %+v, %v", left, err)
	}
	for _, c := range []*exec.Cmd{hung, replaced} {
		if err := c.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("a process of the program: %v", err)
		}
	}
	check.Is(t, "command", sleep+" 60", g.command(left[0]))
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time")
		}
	}
}

func TestOptions(t *testing.T) {
	for line, want := range map[string]string{
		"--name winreg --exec /x":   "",
		"--end":                     "",
		"--end --name winreg":       "--exec",
		"--name W --exec /x":        "--name",
		"--name winreg --exec x":    "--exec",
		"--name winreg --exec /x y": "argument",
		"--nope":                    "nope",
	} {
		_, err := parse(strings.Fields(line))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
