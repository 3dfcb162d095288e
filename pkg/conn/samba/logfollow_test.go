// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/program"
	"msrpcd/tests/tools/check"
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

// TestMessagesWithoutPIDAreReadOnce: two workers of one rpcd, whose program is
// this process, read one file.
func TestMessagesWithoutPIDAreReadOnce(t *testing.T) {
	name := t.TempDir() + "/log.rpcd_test"
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	check.OK(t, err)
	defer file.Close()
	say := func(text string) {
		file.WriteString(logHead(0, "") + "  " + text + "\n")
	}
	open := func() (*worker, *collector) {
		w, to := &worker{log: slog.Default()}, &collector{}
		w.opt.Exec = "/usr/libexec/rpcd_test"
		w.logs = follower{file: -1, notify: -1, buf: make([]byte, 100), standard: "/proc/self/fd/" + strconv.Itoa(int(file.Fd())),
			to: &logParser{to: to, pid: "1"}}
		w.logs.node, _ = program.NewFile(w.logs.standard)
		w.findLog()
		w.logs.read(followLast)
		return w, to
	}
	banner := "rpcd_test version 4.17.12 started.\n  Copyright Andrew Tridgell and the Samba Team 1992-2022"
	say("before")
	say(banner)
	say("first")
	one, ofOne := open()
	two, ofTwo := open()
	say("second")
	one.logs.finish()
	two.logs.read(followLast)
	say("third")
	two.logs.finish()
	const rest = " | 2026/11/28 11:02:00.123456 0 ../../source3/x.c 12 fun"
	check.Same(t, [][]string{{"8 first" + rest, "8 second" + rest}, {"8 third" + rest}}, [][]string{ofOne.got, ofTwo.got})
}
