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

	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/sandbox"
	"msrpcd/tests/tools/sandbox/internal/supervise"
)

// How boxes end, and what their errors say.

func TestBoxesInParallelEndWithoutATrace(t *testing.T) {
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.Boot(sandbox.Options{Hostname: name})
			check.OK(t, err)
			check.Is(t, "host name is", name, strings.TrimSpace(box.MustRun(t, "cat", "/proc/sys/kernel/hostname")))
			p, err := box.Start(context.Background(), "sleep", "infinity")
			check.OK(t, err)
			pid, traces := box.PID(), []string{box.Out(), cgroupOf(t, box.PID())}
			if err := box.Close(); err != nil {
				t.Error(err)
			}
			p.Wait()
			check.Is(t, "PID 1 of the box", error(syscall.ESRCH), syscall.Kill(pid, 0))
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
			check.OK(t, err)
			check.OK(t, cmd.Start())
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
				t.Fatalf("command in the box said %q: %v", line, err)
			}
			supervisor := child(t, cmd.Process.Pid, supervise.ArgSupervise)
			init := child(t, supervisor, "systemd")
			cgroup := cgroupOf(t, init)
			target := map[string]int{"client": cmd.Process.Pid, "supervisor": supervisor}[victim]
			check.OK(t, syscall.Kill(target, syscall.SIGKILL))
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
	check.OK(t, err)
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
	check.OK(t, err)
	return path
}
