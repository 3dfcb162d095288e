// SPDX-License-Identifier: Apache-2.0

package samba

// The test binary plays three parts: the test itself (with a broker's part of
// the status file), the adaptor, and an rpcd that keeps the worker contract
// (playrpcd_test.go).

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
)

const (
	roleKey    = "SAMBA_TEST_ROLE"
	dirKey     = "SAMBA_TEST_DIR"
	modeKey    = "SAMBA_TEST_MODE"
	versionKey = "SAMBA_TEST_VERSION"
	deadline   = 20 * time.Second
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "worker":
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		os.Setenv(roleKey, "rpcd")
		layout.Runtime = os.Getenv(dirKey) + "/run"
		stopWait = 100 * time.Millisecond
		os.Exit(Main(os.Args[1:]))
	case "rpcd":
		os.Exit(playRpcd(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fixture is one adaptor with what is around it.
type fixture struct {
	t       testing.TB
	dir     string
	exec    string
	mode    string
	version string
	told    string   // MSRPC_SAMBA_VERSION
	extra   []string // variables

	inbox  *os.File
	sender int
	file   *status.File
	notify *net.UnixConn
	events *net.UnixConn
	cmd    *exec.Cmd
	output output
}

// output is what the adaptor and its rpcd write.
type output struct {
	mu   sync.Mutex
	more sync.Cond // on mu
	b    bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.more.Broadcast()
	return o.b.Write(b)
}

// has waits until text was written, and reports whether it was in time.
func (o *output) has(text string) bool {
	late := time.Now().Add(10 * time.Second)
	defer time.AfterFunc(time.Until(late), o.more.Broadcast).Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !bytes.Contains(o.b.Bytes(), []byte(text)) {
		if !time.Now().Before(late) {
			return false
		}
		o.more.Wait()
	}
	return true
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

const fixtureIndex = 2

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "samba") // short: socket paths have 108 bytes
	check.OK(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fixture{t: t, dir: dir, version: "4.17.12", told: "4.17.12"}
	f.output.more.L = &f.output.mu
	for _, d := range []string{"run/test", "np", "ncalrpc", "elsewhere"} {
		f.must(os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	f.exec = filepath.Join(dir, "rpcd_test")
	f.program("# first")
	statusFile := filepath.Join(dir, "run/test/status")
	f.must(status.Prepare(statusFile, 4, os.Geteuid(), os.Getegid()))
	f.file, err = status.Open(statusFile, true)
	f.must(err)
	t.Cleanup(func() { f.file.Close() })
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	f.must(err)
	f.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	f.must(unix.Bind(fd, &unix.SockaddrUnix{Name: dir + "/inbox"}))
	f.inbox = os.NewFile(uintptr(fd), "inbox")
	f.sender, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	f.must(err)
	f.must(unix.SetsockoptInt(f.sender, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
	f.must(unix.Connect(f.sender, &unix.SockaddrUnix{Name: dir + "/inbox"}))
	f.notify, f.events = f.datagrams("notify"), f.datagrams("events")
	t.Cleanup(func() {
		if f.cmd != nil && f.cmd.ProcessState == nil {
			f.cmd.Process.Kill()
			f.cmd.Wait()
		}
		f.inbox.Close()
		unix.Close(f.sender)
		if t.Failed() {
			t.Logf("output of the adaptor:\n%s", f.output.String())
		}
	})
	return f
}

// run is a subtest that uses the fixture.
func (f *fixture) run(name string, test func(*testing.T)) {
	outer := f.t.(*testing.T)
	outer.Run(name, func(t *testing.T) {
		f.t = t
		defer func() { f.t = outer }()
		test(t)
	})
}

func (f *fixture) must(err error) {
	f.t.Helper()
	check.OK(f.t, err)
}

func (f *fixture) datagrams(name string) *net.UnixConn {
	f.t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(f.dir, name), Net: "unixgram"})
	f.must(err)
	f.t.Cleanup(func() { c.Close() })
	return c
}

// program puts a new program at the rpcd's path, as a package upgrade does.
func (f *fixture) program(comment string) {
	f.t.Helper()
	self, err := os.Executable()
	f.must(err)
	tmp := f.exec + ".new"
	f.must(os.WriteFile(tmp, []byte("#!/bin/sh\n"+comment+"\nexec "+self+" \"$@\"\n"), 0o755))
	f.must(os.Rename(tmp, f.exec))
}

// vars is what the unit tells the adaptor, the test's own last.
func (f *fixture) vars() []string {
	v := []string{
		"MSRPC_RPCD=test", "MSRPC_WORKER=" + strconv.Itoa(fixtureIndex), "MSRPC_EXEC=" + f.exec, "MSRPC_SMB_CONF=/dev/null",
		"MSRPC_MESSAGING_DIR=" + f.dir, "MSRPC_LOCK_DIR=" + f.dir, "MSRPC_NP_DIR=" + f.dir + "/np", "MSRPC_NCALRPC_DIR=" + f.dir + "/ncalrpc",
		"MSRPC_NETBIOS_NAME=HOST", "MSRPC_GUEST_ACCOUNT=root", "MSRPC_SAMBA_VERSION=" + f.told,
	}
	return append(v, f.extra...)
}

// start starts the adaptor; it is not waited for.
func (f *fixture) start() {
	f.t.Helper()
	self, err := os.Executable()
	f.must(err)
	f.cmd = exec.Command(self)
	f.cmd.ExtraFiles = []*os.File{f.inbox}
	f.cmd.Stdout, f.cmd.Stderr = &f.output, &f.output
	f.cmd.Env = append(append(os.Environ(), f.vars()...), roleKey+"=worker", dirKey+"="+f.dir, modeKey+"="+f.mode, versionKey+"="+f.version,
		"LISTEN_FDS=1", "LISTEN_FDNAMES=inbox", "NOTIFY_SOCKET="+f.dir+"/notify", "JOURNAL_STREAM=", "INVOCATION_ID=")
	f.must(f.cmd.Start())
}

// startReady starts the adaptor and waits until it says that it is ready.
func (f *fixture) startReady() {
	f.t.Helper()
	f.start()
	f.waitNotify("READY=1")
}

// wait waits for the adaptor's end and returns its exit code.
func (f *fixture) wait() int {
	f.t.Helper()
	kill := time.AfterFunc(deadline, func() { f.cmd.Process.Kill() })
	defer kill.Stop()
	f.cmd.Wait()
	return f.cmd.ProcessState.ExitCode()
}

// waitNotify reads what the service manager is told up to a message with text.
func (f *fixture) waitNotify(text string) string {
	f.t.Helper()
	return f.waitDatagram(f.notify, text)
}

func (f *fixture) waitDatagram(c *net.UnixConn, text string) string {
	f.t.Helper()
	c.SetReadDeadline(time.Now().Add(deadline))
	var b [4096]byte
	for {
		n, err := c.Read(b[:])
		if err != nil {
			f.t.Fatalf("waiting for %q: %v\n%s", text, err, f.output.String())
		}
		if strings.Contains(string(b[:n]), text) {
			return string(b[:n])
		}
	}
}

func (f *fixture) line() *status.WorkerLine { return f.file.Worker(fixtureIndex) }

// counts is what the status line says.
func (f *fixture) counts() string {
	l := f.line()
	return fmt.Sprintf("received %d closed %d", l.Received.Load(), l.Closed.Load())
}

// handOver does what a broker does.
func (f *fixture) handOver(m handoff.Message, fds ...int) {
	f.t.Helper()
	f.must(f.trySend(m, fds...))
	f.file.Sent(fixtureIndex).Sent.Add(1)
}

func (f *fixture) trySend(m handoff.Message, fds ...int) error {
	return unix.Sendmsg(f.sender, m.Append(nil), unix.UnixRights(fds...), nil, 0)
}
