// SPDX-License-Identifier: Apache-2.0

package rpcd

// This file starts the server as systemd does, again and again.

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// manager does what systemd does for a worker: it has the listeners, keeps
// descriptors that it is given, and starts the server again.
type manager struct {
	*rig
	notify *net.UnixConn
	path   string
	line   *status.WorkerLine
	vars   []string // of its environment
	cmd    *exec.Cmd

	mu    sync.Mutex
	names []string // of the store
	store []int
	ready chan struct{}
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
	m := &manager{rig: newRig(t), path: filepath.Join(dir, "notify"), line: file.Worker(3), ready: make(chan struct{}, 1), vars: vars}
	m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { m.notify.Close() })
	go m.read()
	t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, fd := range m.store {
			unix.Close(fd)
		}
	})
	return m.spawn()
}

// read takes what the server tells.
func (m *manager) read() {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, on, _, _, err := m.notify.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		text := string(buf[:n])
		cmsgs, _ := unix.ParseSocketControlMessage(oob[:on])
		for i := range cmsgs {
			fds, _ := unix.ParseUnixRights(&cmsgs[i])
			_, name, _ := strings.Cut(text, "FDNAME=")
			m.mu.Lock()
			m.store = append(m.store, fds...)
			m.names = append(m.names, name)
			m.mu.Unlock()
		}
		if strings.HasPrefix(text, "READY=1") || text == "SYNC" {
			m.ready <- struct{}{}
		}
	}
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
	m.mu.Lock()
	for i, fd := range m.store {
		d, err := unix.Dup(fd)
		must(m.t, err)
		f := os.NewFile(uintptr(d), "")
		defer f.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
		names = append(names, m.names[i])
	}
	m.mu.Unlock()
	m.cmd.Env = append(os.Environ(), runtimeVariable+"="+layout.Runtime, "NOTIFY_SOCKET="+m.path,
		fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		"MSRPC_WORKER=3", "MSRPC_INDEX_BITS=16", "MSRPC_IDLE_SEC=0")
	m.cmd.Env = append(m.cmd.Env, m.vars...)
	m.cmd.Stderr = os.Stderr
	must(m.t, m.cmd.Start())
	cmd := m.cmd
	m.t.Cleanup(func() { cmd.Process.Kill() })
	select {
	case <-m.ready:
	case <-time.After(20 * time.Second):
		m.t.Fatal("the server does not start")
	}
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
	sync, err := net.Dial("unixgram", m.path) // everything that it told is read
	must(m.t, err)
	defer sync.Close()
	sync.Write([]byte("SYNC"))
	<-m.ready
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
