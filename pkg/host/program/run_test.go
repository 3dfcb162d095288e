// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name, script, want, err string
		limit                   time.Duration
	}{
		{name: "stdout only", script: "echo out; echo err >&2", want: "out\n"},
		{name: "environment", script: `env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort`,
			want: "LC_ALL=C\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
		{name: "exit status", script: "echo out; echo 'no such\nthing\a' >&2; exit 3", err: "exit status 3: no such thing\\a"},
		{name: "on standard output only", script: "echo why; exit 3", err: "exit status 3: why"},
		{name: "the end counts", script: `head -c 100000 /dev/zero | tr '\0' x >&2; echo " and this is why" >&2; exit 1`, err: "exit status 1: ... and this is why"},
		{name: "binary", script: `printf 'a\033[31m\302\233b\342\200\256c\377d' >&2; exit 1`, err: `exit status 1: a\x1b[31m\u009bb\u202ec\xffd`},
		{name: "signal", script: "kill -9 $$", err: "signal: killed"},
		{name: "slow", script: "sleep 60 & sleep 60", limit: 50 * time.Millisecond, err: "took longer than 50ms"},
		{name: "endless", script: "while :; do echo endless; done", err: "its output is too long: more than 64 bytes"},
		{name: "keeps output open", script: "sleep 60 &", err: "left a process behind that keeps its output open"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.limit == 0 {
				tc.limit = 20 * time.Second
			}
			max := 64
			if tc.name == "environment" {
				max = 256
			}
			out, err := Run(context.Background(), tc.limit, max, "/bin/sh", "-c", tc.script)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || err.Error() != tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if string(out) != tc.want {
				t.Errorf("output %q", out)
			}
		})
	}
}

func TestRunKillsTheWholeGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	script := `sleep 60 & echo $! > ` + pidFile + `; wait`
	if _, err := Run(context.Background(), 300*time.Millisecond, 64, "/bin/sh", "-c", script); err == nil {
		t.Fatal("no error")
	}
	pid := check.File(t, pidFile)
	stat := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	deadline := time.Now().Add(10 * time.Second)
	for {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child of the program lives on: %s", b)
		}
	}
}
