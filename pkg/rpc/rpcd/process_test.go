// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/notify"
)

// The tests of this file start the server as a process of its own, as systemd
// does: by Main, with LISTEN_FDS.

const (
	runtimeVariable = "MSRPC_TEST_RUNTIME"
	cutsVariable    = "MSRPC_TEST_CUTS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(runtimeVariable); dir != "" {
		layout.Runtime = dir
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		s, _ := newTestServer()
		s.Auth = []auth.Mechanism{toyAuth{}}
		s.CutsFiles = os.Getenv(cutsVariable) != ""
		s.Start = func() error {
			f, err := os.Create(filepath.Join(dir, "file"))
			if (err == nil) != s.CutsFiles {
				return fmt.Errorf("CutsFiles is %v: %v", s.CutsFiles, err)
			}
			f.Close()
			return nil
		}
		os.Exit(Main(s, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// process is a server that runs by itself.
type process struct {
	*exec.Cmd
	t      *testing.T
	addr   net.Addr
	status *status.File
	notify *notify.Manager
	ended  chan error
}

// spawn starts it with an ncalrpc listener and waits until it is ready.
func spawn(t *testing.T, env ...string) *process {
	t.Helper()
	dir := t.TempDir()
	old := layout.Runtime
	layout.Runtime = dir
	t.Cleanup(func() { layout.Runtime = old })
	must(t, os.Mkdir(layout.RpcdDir("test"), 0o755))
	must(t, status.Prepare(layout.StatusFile("test"), 4, os.Getuid(), os.Getgid()))
	l := check.Listen(t, "unix", filepath.Join(dir, "TEST"))
	file, err := l.(*net.UnixListener).File()
	must(t, err)
	defer file.Close()
	manager := notify.Listen(t, dir)
	p := &process{t: t, addr: l.Addr(), notify: manager, ended: make(chan error, 1), Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), runtimeVariable+"="+dir, "NOTIFY_SOCKET="+manager.Path,
		"LISTEN_FDS=1", "LISTEN_FDNAMES="+string(layout.Ncalrpc), "MSRPC_WORKER=2", "MSRPC_INDEX_BITS=16")
	p.Env = append(p.Env, env...)
	p.ExtraFiles = []*os.File{file}
	p.Stderr = os.Stderr
	must(t, p.Start())
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill() })
	p.notify.Wait("READY=1")
	p.status, err = status.Open(layout.StatusFile("test"), false)
	must(t, err)
	return p
}

// success waits until it has ended, which must be with status 0.
func (p *process) success() {
	p.t.Helper()
	select {
	case err := <-p.ended:
		must(p.t, err)
	case <-time.After(20 * time.Second):
		p.t.Fatal("it does not end")
	}
}

func TestAServerThatCutsFilesSaysSo(t *testing.T) {
	spawn(t, cutsVariable+"=yes")
	spawn(t)
}

// bound is a client of it.
func (p *process) bound(t *testing.T) *client {
	c := &client{Conn: connect(t, p.addr), t: t, max: dcerpc.FragSizeTCP,
		h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	if ack := c.exchange(c.bind(0, presentTest)); ack.Type != dcerpc.PTypeBindAck {
		t.Fatalf("answer %s", dcerpc.TypeName(ack.Type))
	}
	return c
}

// memory is what it takes of the system, garbage left out, in bytes.
func (p *process) memory(c *client) int {
	p.t.Helper()
	if _, status := c.call(opCollect, nil); status != 0 {
		p.t.Fatal(status)
	}
	text := check.File(p.t, fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("no RssAnon in:\n%s", text)
	}
	n, err := strconv.Atoi(string(m[1]))
	must(p.t, err)
	return n << 10
}

func TestTenThousandConnectionsInLittleMemory(t *testing.T) {
	const n, most = 10000, 8 << 10
	raiseFiles(t, n+100)
	p := spawn(t, "MSRPC_IDLE_SEC=0", "MSRPC_MAX_UNBOUND="+strconv.Itoa(n))
	talking := p.bound(t)
	before := p.memory(talking)
	bind := talking.bind(0, presentTest)
	answer := make([]byte, len(talking.exchangeRaw(bind, p)))
	held := make([]net.Conn, n)
	for i := range held {
		held[i] = connect(t, p.addr)
		if _, err := held[i].Write(bind); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(held[i], answer); err != nil || answer[2] != dcerpc.PTypeBindAck {
			t.Fatalf("connection %d: %x, %v", i, answer, err)
		}
	}
	each := (p.memory(talking) - before) / n
	line := p.status.Worker(2)
	if open := line.Received.Load() - line.Closed.Load(); open < n || line.Groups.Load() < n {
		t.Errorf("the status file has %d connections and %d groups", open, line.Groups.Load())
	}
	t.Logf("%d bytes for each idle connection", each)
	if each > most {
		t.Errorf("%d bytes for each idle connection, want at most %d", each, most)
	}
	talking.works()
	for _, c := range held {
		c.Close()
	}
	if line.PID.Load() != uint32(p.Process.Pid) {
		t.Errorf("the status file has process %d", line.PID.Load())
	}
	must(t, p.Process.Signal(syscall.SIGTERM))
	p.notify.Wait("STOPPING=1")
	p.success()
	if line.PID.Load() != 0 || line.Received.Load() != line.Closed.Load() {
		t.Errorf("the status file afterwards: process %d, %d of %d closed", line.PID.Load(), line.Closed.Load(), line.Received.Load())
	}
}

// exchangeRaw is the answer to a bind on a connection of its own.
func (c *client) exchangeRaw(bind []byte, p *process) []byte {
	other := &client{Conn: connect(c.t, p.addr), t: c.t}
	answer := other.exchange(bind).Raw
	other.Close()
	return answer
}

// raiseFiles is for both processes: a child inherits the limit.
func raiseFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur >= n {
		return
	}
	limit.Cur, limit.Max = max(limit.Cur, n), max(limit.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("%d open files are needed: %v; raise the limit with ulimit -n", n, err)
	}
}

func TestProcessEndsWhenIdle(t *testing.T) {
	p := spawn(t, "MSRPC_IDLE_SEC=1")
	c := p.bound(t)
	c.works()
	c.Close()
	p.success()
}
