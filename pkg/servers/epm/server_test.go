// SPDX-License-Identifier: Apache-2.0

package epm

// The server as it runs, in a process of its own: this test binary again, with
// listeners as systemd passes them; and its clients.

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// serveVar makes this test binary the server, with its files below a directory.
const serveVar = "EPM_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVar); dir != "" {
		os.Exit(serve(dir))
	}
	os.Exit(m.Run())
}

func serve(dir string) int {
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	layout.Runtime, layout.State = dir, dir
	s := Server()
	s.Interfaces[0].Bindings[1].Endpoint = os.Getenv("EPM_TEST_PORT")
	m := newMapper(&Source{Catalogue: layout.Catalogue(), LastGood: filepath.Join(dir, "last"), Root: dir}, statePath())
	s.Start = m.start
	s.Interfaces[0].Ops = m.ops()
	return rpcd.Main(s, nil)
}

// server is a running mapper.
type server struct {
	t   *testing.T
	dir string
	tcp string
	cmd *exec.Cmd
	fds []*os.File
}

// start serves the rpcds of Samba 4.17.
func start(t *testing.T) *server {
	loopback.Need(t)
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	testSource(t, s.dir)
	s.write(func(*catalogue.Catalogue) {})
	check.OK(t, os.Mkdir(filepath.Join(s.dir, "epmapper"), 0o755))
	check.OK(t, status.Prepare(filepath.Join(s.dir, "epmapper", "status"), 1, os.Geteuid(), os.Getegid()))
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check.OK(t, err)
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(s.dir, "EPMAPPER"), Net: "unix"})
	check.OK(t, err)
	_, s.tcp, _ = net.SplitHostPort(tcp.Addr().String())
	for _, l := range []interface{ File() (*os.File, error) }{tcp, unix} {
		f, err := l.File()
		check.OK(t, err)
		s.fds = append(s.fds, f)
	}
	tcp.Close()
	unix.SetUnlinkOnClose(false)
	unix.Close()
	s.run()
	t.Cleanup(s.stop)
	return s
}

// write writes a catalogue with a change.
func (s *server) write(change func(*catalogue.Catalogue)) {
	s.t.Helper()
	c, _ := samba417(s.t)
	change(c)
	check.OK(s.t, catalogue.Write(filepath.Join(s.dir, "catalogue.db"), c))
}

// run starts the process. Clients wait in its listeners until it is ready.
func (s *server) run() {
	s.t.Helper()
	exe, err := os.Executable()
	check.OK(s.t, err)
	s.cmd = exec.Command(exe)
	s.cmd.ExtraFiles = s.fds
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), serveVar+"="+s.dir, "EPM_TEST_PORT="+s.tcp, "LISTEN_FDS=2", "LISTEN_FDNAMES=tcp:ncalrpc",
		"RUNTIME_DIRECTORY="+s.dir, "MSRPC_IDLE_SEC=0", "MSRPC_WORKER=0", "NOTIFY_SOCKET=", "JOURNAL_STREAM=", "INVOCATION_ID=")
	check.OK(s.t, s.cmd.Start())
}

// stop ends it as systemd does.
func (s *server) stop() {
	s.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// client is a connection to a mapper.
type client struct {
	*rpcclient.Conn
	t *testing.T
}

// dial connects over TCP, or ncalrpc, into an association group.
func (s *server) dial(local bool, group uint32, format ndr.Format) *client {
	s.t.Helper()
	b := binding.Binding{Protseq: binding.TCP, Host: "127.0.0.1", Endpoint: s.tcp}
	if local {
		b = binding.Binding{Protseq: binding.Ncalrpc, Endpoint: "EPMAPPER"}
	}
	c, err := rpcclient.Dial(context.Background(), b, rpcclient.Options{NcalrpcDir: s.dir, Timeout: 20 * time.Second, Format: format})
	check.OK(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	check.OK(s.t, c.Bind(context.Background(), group, Interface))
	return &client{c, s.t}
}

func (c *client) try(opnum uint16, in, out ndr.Value) error {
	return c.Call(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: opnum}, in, out)
}

func (c *client) call(opnum uint16, in, out ndr.Value) {
	c.t.Helper()
	if err := c.try(opnum, in, out); err != nil {
		c.t.Fatalf("operation %d: %v", opnum, err)
	}
}

// result is the status of a call that returns nothing else.
type result struct{ Status Status }

func (r *result) NDR(c *ndr.Codec) { c.Uint32((*uint32)(&r.Status)) }

// status makes a call that returns nothing else.
func (c *client) status(opnum uint16, in ndr.Value) Status {
	c.t.Helper()
	var out result
	c.call(opnum, in, &out)
	return out.Status
}
