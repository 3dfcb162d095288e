// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLogFileOfTheRpcdIsReadAlong(t *testing.T) {
	f := newFixture(t)
	f.mode = "logs"
	old := "[2001/01/01 00:00:00,  0] a.c:1(f)\n  of another day\n" + logHead(0, ", pid=1") + "  of another process\n"
	f.must(os.WriteFile(f.dir+"/log.rpcd_test", []byte(old), 0o644))
	f.startReady()
	has := func(text string) {
		t.Helper()
		if !f.output.has(text) {
			t.Errorf("%q is not logged", text)
		}
	}
	has("begins")
	f.must(f.cmd.Process.Signal(unix.SIGHUP))
	has("is moved")
	f.pipeClient().body()
	has("is new")
	f.must(f.cmd.Process.Kill())
	f.cmd.Wait()
	if log := f.output.String(); strings.Contains(log, "another") || strings.Count(log, "is moved") != 1 || !strings.Contains(log, "CODE_FUNC=fun") {
		t.Errorf("logged:\n%s", log)
	}
}
