// SPDX-License-Identifier: Apache-2.0

//go:build integration

package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msrpcd/tests/tools/sandbox"
	"msrpcd/tests/tools/sandbox/internal/supervise"
)

// cgroupOf finds the directory of a box through one of its processes.
func cgroupOf(t *testing.T, pid int) string {
	t.Helper()
	mount, err := supervise.CgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(mount, strings.TrimSuffix(path, "/init.scope"))
		}
	}
	t.Fatalf("no unified control group in %q", text)
	return ""
}

func TestBoxRunsSystemdAndNothingThatTheHostEnabled(t *testing.T) {
	box := sandbox.New(t, sandbox.Options{Hostname: "boxed", Mask: []string{"systemd-update-utmp.service"}})
	if got := strings.TrimSpace(box.MustRun(t, "systemctl", "is-system-running")); got != "running" {
		t.Errorf("system is %q", got)
	}
	if got := strings.TrimSpace(box.MustRun(t, "uname", "-n")); got != "boxed" {
		t.Errorf("host name is %q", got)
	}
	for _, unit := range []string{"smbd.service", "nmbd.service", "winbind.service", "apt-daily.timer"} {
		if _, _, rc := box.Run(t.Context(), "systemctl", "is-active", unit); rc == 0 {
			t.Errorf("%s runs by itself", unit)
		}
	}
	if got := strings.TrimSpace(box.MustRun(t, "systemctl", "show", "-P", "LoadState", "systemd-update-utmp.service")); got != "masked" {
		t.Errorf("masked unit is %q", got)
	}
	journal, err := box.Journal("-u", "init.scope", "-o", "cat")
	if err != nil || !strings.Contains(journal, "basic.target") {
		t.Errorf("journal: %v\n%s", err, journal)
	}
	err = box.Export()
	for _, name := range []string{"journal.txt", "journal.export"} {
		text, readErr := os.ReadFile(filepath.Join(box.Out(), name))
		if err != nil || readErr != nil || !strings.Contains(string(text), "basic.target") {
			t.Errorf("%s: %v, %v, %d bytes", name, err, readErr, len(text))
		}
	}
}

func TestRunTellsStatusAndStreams(t *testing.T) {
	box := sandbox.New(t, sandbox.Options{Env: []string{"COLOUR=green"}})
	stdout, stderr, rc := box.Run(t.Context(), "sh", "-c", "echo $COLOUR; echo oops >&2; exit 7")
	if stdout != "green\n" || stderr != "oops\n" || rc != 7 {
		t.Errorf("got %q, %q, %d", stdout, stderr, rc)
	}
	if _, stderr, rc := box.Run(t.Context(), "/no/such/program"); rc == 0 || !strings.Contains(stderr, "/no/such/program") {
		t.Errorf("missing program: %q, %d", stderr, rc)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p, err := box.Start(ctx, "sh", "-c", "echo up; exec cat /dev/zero >/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	sandbox.Eventually(t, 10*time.Second, func() error {
		if p.Output() != "up\n" {
			return fmt.Errorf("output is %q", p.Output())
		}
		return nil
	})
	cancel()
	if rc := p.Wait(); rc != 128+int(syscall.SIGKILL) {
		t.Errorf("killed command: exit status %d", rc)
	}
}

func TestFilesSetupBindsAndAddresses(t *testing.T) {
	outside := t.TempDir()
	box := sandbox.New(t, sandbox.Options{
		Files:     map[string]string{"/etc/box/tool": "#!/bin/sh\necho tool\n"},
		Setup:     "/etc/box/tool > /etc/box/written; systemctl enable systemd-tmpfiles-clean.timer 2>/dev/null || :",
		Binds:     []string{outside + ":/srv/outside"},
		Addresses: []string{"192.0.2.7/24"},
	})
	if got, err := box.ReadFile("/etc/box/written"); err != nil || string(got) != "tool\n" {
		t.Errorf("setup: %q, %v", got, err)
	}
	box.MustWrite(t, "/srv/outside/new", "hello")
	if got, err := os.ReadFile(filepath.Join(outside, "new")); err != nil || string(got) != "hello" {
		t.Errorf("bind: %q, %v", got, err)
	}
	if got := box.MustRun(t, "ip", "-4", "-br", "address", "show", "lan0"); !strings.Contains(got, "192.0.2.7/24") {
		t.Errorf("address: %s", got)
	}
	if _, err := os.Stat("/etc/box"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the host was written to: %v", err)
	}
}

func TestStageLiesOverTheRoot(t *testing.T) {
	stage, err := os.MkdirTemp("/dev/shm", "stage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(stage) })
	units := filepath.Join(stage, "usr/lib/systemd/system")
	if err := os.MkdirAll(units, 0o755); err != nil {
		t.Fatal(err)
	}
	unit := "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n"
	if err := os.WriteFile(filepath.Join(units, "staged.service"), []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	box := sandbox.New(t, sandbox.Options{Stage: stage})
	box.MustRun(t, "systemctl", "start", "staged.service")

	if err := os.Mkdir(filepath.Join(stage, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if b, err := sandbox.Boot(sandbox.Options{Stage: stage}); err == nil {
		b.Close()
		t.Error("a stage that hides /lib was accepted")
	} else if !strings.Contains(err.Error(), "usr/lib") {
		t.Errorf("error has no remedy: %v", err)
	}
}

func TestFirstBootAppliesPresets(t *testing.T) {
	box := sandbox.New(t, sandbox.Options{
		FirstBoot: true, Mask: []string{"systemd-firstboot.service"},
		Files: map[string]string{
			"/etc/systemd/system/mine.service":          "[Service]\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n",
			"/etc/systemd/system-preset/00-mine.preset": "enable mine.service\ndisable *\n",
		},
	})
	if got := box.MustRun(t, "systemctl", "is-enabled", "mine.service"); got != "enabled\n" {
		t.Errorf("preset unit is %q", got)
	}
}

func TestBoxesInParallelEndWithoutATrace(t *testing.T) {
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.Boot(sandbox.Options{Hostname: name})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(box.MustRun(t, "cat", "/proc/sys/kernel/hostname")); got != name {
				t.Errorf("host name is %q", got)
			}
			p, err := box.Start(context.Background(), "sleep", "infinity")
			if err != nil {
				t.Fatal(err)
			}
			pid, traces := box.PID(), []string{box.Out(), cgroupOf(t, box.PID())}
			if err := box.Close(); err != nil {
				t.Error(err)
			}
			p.Wait()
			if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
				t.Errorf("PID 1 of the box: %v", err)
			}
			for _, trace := range traces {
				if _, err := os.Stat(trace); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", trace, err)
				}
			}
		})
	}
}

func TestBoxEndsWithItsClient(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sandbox")
	if out, err := exec.Command("go", "build", "-o", program, "msrpcd/tests/tools/sandbox/cmd/sandbox").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, victim := range []string{"client", "supervisor"} {
		t.Run(victim, func(t *testing.T) {
			out := t.TempDir()
			cmd := exec.Command(program, "-out", out, "--", "sh", "-c", "echo up; exec sleep infinity")
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
				t.Fatalf("command in the box said %q: %v", line, err)
			}
			supervisor := child(t, cmd.Process.Pid, supervise.ArgSupervise)
			init := child(t, supervisor, "systemd")
			cgroup := cgroupOf(t, init)
			target := map[string]int{"client": cmd.Process.Pid, "supervisor": supervisor}[victim]
			if err := syscall.Kill(target, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			sandbox.Eventually(t, 10*time.Second, func() error {
				if err := syscall.Kill(init, 0); err != syscall.ESRCH {
					return fmt.Errorf("PID 1 of the box %d: %v", init, err)
				}
				return nil
			})
			if victim == "supervisor" { // nobody was left to remove it: the next box does
				sandbox.New(t, sandbox.Options{})
			}
			sandbox.Eventually(t, 10*time.Second, func() error {
				if _, err := os.Stat(cgroup); !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("%s is left: %v", cgroup, err)
				}
				return nil
			})
		})
	}
}

// child finds the child of a process whose command line contains a word.
func child(t *testing.T, parent int, word string) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, pid := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if strings.Contains(string(line), word) {
				var n int
				if _, err := fmt.Sscan(pid, &n); err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
	}
	t.Fatalf("process %d has no child %s", parent, word)
	return 0
}

func TestBootErrorsSayWhy(t *testing.T) {
	empty := t.TempDir()
	for _, tc := range []struct {
		name    string
		options sandbox.Options
		want    string
	}{
		{"no such root", sandbox.Options{Root: "/no/such/root"}, "/no/such/root"},
		{"a root without systemd", sandbox.Options{Root: empty}, "systemd"},
		{"a stage on the root's file system", sandbox.Options{Root: "/", Stage: filepath.Dir(mustExecutable(t))}, "tmpfs"},
		{"a setup that fails", sandbox.Options{Setup: "echo no luck; false"}, "setup script"},
		{"a boot that does not end", sandbox.Options{
			Timeout: time.Second, Unit: "late.target",
			Files: map[string]string{
				"/etc/systemd/system/late.target":  "[Unit]\nRequires=late.service\nAfter=late.service\n",
				"/etc/systemd/system/late.service": "[Service]\nType=oneshot\nExecStart=sleep infinity\n",
			},
		}, "late.target was not reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			box, err := sandbox.Boot(tc.options)
			if err == nil {
				box.Close()
				t.Fatal("it booted")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error does not mention %q: %v", tc.want, err)
			}
		})
	}
}

// mustExecutable is a file that lies on the root's file system.
func mustExecutable(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nsenter")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
