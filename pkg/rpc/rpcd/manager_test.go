// SPDX-License-Identifier: Apache-2.0

package rpcd

// This file starts the server as systemd does, again and again.

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/notify"
)

// manager does what systemd does for a worker: it has the listeners, keeps
// descriptors that it is given, and starts the server again.
type manager struct {
	*rig
	notify *notify.Manager
	line   *status.WorkerLine
	vars   []string // of its environment
	cmd    *exec.Cmd
}

func newManager(t *testing.T, vars ...string) *manager {
	t.Helper()
	dir := t.TempDir()
	old := layout.Runtime
	layout.Runtime = dir
	t.Cleanup(func() { layout.Runtime = old })
	must(t, os.Mkdir(layout.RpcdDir("test"), 0o755))
	must(t, status.Prepare(layout.StatusFile("test"), 4, os.Getuid(), os.Getgid()))
	file, err := status.Open(layout.StatusFile("test"), false)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	m := &manager{rig: newRig(t), notify: notify.Listen(t, dir), line: file.Worker(3), vars: vars}
	return m.spawn()
}

// spawn starts the server and waits until it is ready.
func (m *manager) spawn() *manager {
	m.t.Helper()
	m.cmd = exec.Command(os.Args[0])
	names := []string{string(layout.TCP), string(layout.Ncalrpc), string(layout.NP)}
	for _, l := range []interface{ File() (*os.File, error) }{m.tcp.(*net.TCPListener), m.ncalrpc.(*net.UnixListener), m.np.(*net.UnixListener)} {
		f, err := l.File()
		must(m.t, err)
		defer f.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
	}
	for _, fd := range m.notify.Stored() {
		d, err := unix.Dup(fd.FD)
		must(m.t, err)
		f := os.NewFile(uintptr(d), "")
		defer f.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
		names = append(names, fd.Name)
	}
	m.cmd.Env = append(os.Environ(), runtimeVariable+"="+layout.Runtime, "NOTIFY_SOCKET="+m.notify.Path,
		fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		"MSRPC_WORKER=3", "MSRPC_INDEX_BITS=16", "MSRPC_IDLE_SEC=0")
	m.cmd.Env = append(m.cmd.Env, m.vars...)
	m.cmd.Stderr = os.Stderr
	must(m.t, m.cmd.Start())
	cmd := m.cmd
	m.t.Cleanup(func() { cmd.Process.Kill() })
	m.notify.Wait("READY=1")
	return m
}

// again ends the server by a signal and starts it again.
func (m *manager) again(signal syscall.Signal) {
	m.t.Helper()
	for m.line.Serving.Load() != 0 { // the client has its answer a moment before
		runtime.Gosched()
	}
	must(m.t, m.cmd.Process.Signal(signal))
	if err := m.cmd.Wait(); err != nil && signal == syscall.SIGTERM {
		m.t.Fatal(err)
	}
	m.notify.Sync() // everything that it said is read
	m.spawn()
}

// aged waits until connections that are there now are old enough to be kept.
// There is no other sign of it than the time.
func (m *manager) aged() { <-time.After(keepAge + 500*time.Millisecond) }

// reachable are the transports that the user of the test can come by.
func reachable() []layout.Transport {
	if os.Getuid() != 0 { // who is not root may not be a named pipe's peer
		return transports[:2]
	}
	return transports
}
