// SPDX-License-Identifier: Apache-2.0

//go:build integration

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/sandbox"
	"msrpcd/tests/tools/sandbox/internal/supervise"
)

// cgroupOf finds the directory of a box through one of its processes.
func cgroupOf(t *testing.T, pid int) string {
	t.Helper()
	mount, err := supervise.CgroupMount()
	check.OK(t, err)
	text := check.File(t, fmt.Sprintf("/proc/%d/cgroup", pid))
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
	check.Is(t, "system is", "running", strings.TrimSpace(box.MustRun(t, "systemctl", "is-system-running")))
	check.Is(t, "host name is", "boxed", strings.TrimSpace(box.MustRun(t, "uname", "-n")))
	for _, unit := range []string{"smbd.service", "nmbd.service", "winbind.service", "apt-daily.timer"} {
		if _, _, rc := box.Run(t.Context(), "systemctl", "is-active", unit); rc == 0 {
			t.Errorf("%s runs by itself", unit)
		}
	}
	check.Is(t, "masked unit is", "masked", strings.TrimSpace(box.MustRun(t, "systemctl", "show", "-P", "LoadState", "systemd-update-utmp.service")))
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
	check.OK(t, err)
	sandbox.Eventually(t, 10*time.Second, func() error {
		if p.Output() != "up\n" {
			return fmt.Errorf("output is %q", p.Output())
		}
		return nil
	})
	cancel()
	check.Is(t, "killed command: exit status", 128+int(syscall.SIGKILL), p.Wait())
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
	check.OK(t, err)
	t.Cleanup(func() { os.RemoveAll(stage) })
	units := filepath.Join(stage, "usr/lib/systemd/system")
	check.OK(t, os.MkdirAll(units, 0o755))
	unit := "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n"
	check.OK(t, os.WriteFile(filepath.Join(units, "staged.service"), []byte(unit), 0o644))
	box := sandbox.New(t, sandbox.Options{Stage: stage})
	box.MustRun(t, "systemctl", "start", "staged.service")

	check.OK(t, os.Mkdir(filepath.Join(stage, "lib"), 0o755))
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
	check.Is(t, "preset unit is", "enabled\n", box.MustRun(t, "systemctl", "is-enabled", "mine.service"))
}
