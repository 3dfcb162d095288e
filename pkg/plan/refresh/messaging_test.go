// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/plan/config"
	"msrpcd/tests/tools/check"
)

// fakeSmbcontrol makes msg.sock in the directory that the named parameter says.
func fakeSmbcontrol(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smbcontrol")
	check.OK(t, os.WriteFile(path, []byte("#!/bin/sh\nconf=${1#--configfile=}\n"+body+"\n"), 0o755))
	return path
}

func TestMessagingDir(t *testing.T) {
	samba := &config.Samba{LockDir: t.TempDir(), PrivateDir: t.TempDir()}
	mk := func(param string) string { return `mkdir "$(sed -n 's/^` + param + ` = //p' "$conf")/msg.sock"` }
	for _, tc := range []struct {
		name, body, want, problem string
		global                    config.Global
	}{
		{name: "Debian", body: mk("lock directory"), want: samba.LockDir},
		{name: "upstream", body: mk("private dir"), want: samba.PrivateDir},
		{name: "made although it failed", body: mk("private dir") + "; exit 1", want: samba.PrivateDir},
		{name: "set", body: "exit 1", global: config.Global{MessagingDirectory: "/srv/msg"}, want: "/srv/msg"},
		{name: "fails", body: "echo no memory >&2; exit 1", want: samba.LockDir, problem: "exit status 1: no memory): " + samba.LockDir + " is assumed"},
		{name: "elsewhere", body: mk("cache directory"), want: samba.LockDir, problem: "neither in the lock directory nor in the private dir"},
		{name: "in both", body: mk("lock directory") + ";" + mk("private dir"), want: samba.LockDir, problem: "MessagingDirectory= in msrpcd.conf"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.global.Testparm = filepath.Join(filepath.Dir(fakeSmbcontrol(t, tc.body)), "testparm")
			dir, problem := messagingDir(context.Background(), tc.global, samba)
			if dir != tc.want || (problem != nil) != (tc.problem != "") || problem != nil && !strings.Contains(problem.String(), tc.problem) {
				t.Errorf("%q, %q", dir, problem)
			}
		})
	}

	// Without an answer a directory that is there decides.
	check.OK(t, os.Mkdir(filepath.Join(samba.PrivateDir, msgSock), 0o700))
	check.Is(t, "guessed", samba.PrivateDir, guessMessagingDir(samba))
}

// The probe leaves nothing behind.
func TestProbeCleansUp(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if _, err := probeMessaging(context.Background(), fakeSmbcontrol(t, "exit 1")); err == nil {
		t.Error("no error")
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
