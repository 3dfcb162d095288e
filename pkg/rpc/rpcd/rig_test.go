// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
	"msrpcd/tests/vectors"
)

// rig is a server with real listeners: what systemd does for it is done by hand.
type rig struct {
	t       testing.TB
	srv     *Server
	hooks   *testHooks
	env     setting.Values
	root    uint32        // the root user
	self    *program.Self // nil: its own
	loop    *loop
	done    chan error
	tooFew  int // descriptors for connections, 0: as many as there are
	tcp     net.Listener
	np      net.Listener
	ncalrpc net.Listener
}

// newRig is not started yet, so that a test can set limits.
func newRig(t testing.TB) *rig {
	t.Helper()
	loopback.Need(t)
	dir := t.TempDir()
	r := &rig{t: t, env: setting.Defaults(), root: uint32(os.Geteuid()), done: make(chan error, 1)}
	r.env.Name, r.env.Index, r.env.Limits[source.Unbound] = "test", 3, source.Limit{Total: 4096}
	r.srv, r.hooks = newTestServer()
	var err error
	r.tcp, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.np, err = net.Listen("unix", filepath.Join(dir, "test"))
	must(t, err)
	r.ncalrpc, err = net.Listen("unix", filepath.Join(dir, "TEST"))
	must(t, err)
	t.Cleanup(func() { r.tcp.Close(); r.np.Close(); r.ncalrpc.Close() })
	return r
}

var must = check.OK

// start serves. The listeners' copies are the server's.
func (r *rig) start() *rig {
	r.t.Helper()
	l := r.make()
	r.loop = l
	go func() { r.done <- l.run() }()
	r.t.Cleanup(func() { r.stop() })
	return r
}

// make is a server that does not run.
func (r *rig) make() *loop {
	r.t.Helper()
	var fds []sys.PassedFD
	for _, p := range []struct {
		name     string
		listener interface{ File() (*os.File, error) }
	}{
		{string(layout.TCP), r.tcp.(*net.TCPListener)}, {string(layout.NP), r.np.(*net.UnixListener)},
		{string(layout.Ncalrpc), r.ncalrpc.(*net.UnixListener)},
	} {
		f, err := p.listener.File()
		must(r.t, err)
		fd, err := unix.Dup(int(f.Fd()))
		must(r.t, err)
		must(r.t, f.Close())
		must(r.t, unix.SetNonblock(fd, true))
		r.t.Cleanup(func() { unix.Close(fd) })
		fds = append(fds, sys.PassedFD{FD: fd, Name: p.name})
	}
	l, err := newLoop(r.srv, r.env, slog.New(slog.DiscardHandler))
	must(r.t, err)
	l.rootUID = r.root
	if r.self != nil {
		l.self = r.self
	}
	must(r.t, l.takeListeners(fds))
	if r.tooFew > 0 {
		l.fdLimit = spareFDs + r.tooFew
	}
	return l
}

// stop ends the server as SIGTERM does.
func (r *rig) stop() {
	if r.loop == nil {
		return
	}
	r.loop.Raise(unix.SIGTERM)
	r.ended()
}

// ended waits until the server has ended.
func (r *rig) ended() {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(20 * time.Second):
		r.t.Error("the server does not end")
	}
	r.loop = nil
}

// transports are how a client can come.
var transports = []layout.Transport{layout.TCP, layout.Ncalrpc, layout.NP}

func (r *rig) listener(tr layout.Transport) net.Listener {
	return map[layout.Transport]net.Listener{layout.TCP: r.tcp, layout.NP: r.np, layout.Ncalrpc: r.ncalrpc}[tr]
}

// connect connects to a listener.
func connect(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	must(t, err)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

// dial connects, and on a named pipe does what smbd does first.
func (r *rig) dial(tr layout.Transport) *client {
	r.t.Helper()
	c := connect(r.t, r.listener(tr).Addr())
	cl := &client{Conn: c, t: r.t, np: tr.Framed(), max: dcerpc.FragSizeTCP,
		h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	if cl.np {
		cl.max = dcerpc.FragSizeNP
		request := vectors.Read(r.t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
		_, err := c.Write(request)
		must(r.t, err)
		reply := make([]byte, 36)
		if _, err := io.ReadFull(c, reply); err != nil || string(reply[4:8]) != "NPAM" || binary.LittleEndian.Uint32(reply[32:]) != 0 {
			r.t.Fatalf("named pipe auth: answer %x, %v", reply, err)
		}
	}
	return cl
}

// bound is a client of the test interface, in a group or, with 0, a new one.
func (r *rig) bound(tr layout.Transport, group uint32) *client {
	r.t.Helper()
	c := r.dial(tr)
	p := c.exchange(c.bind(group, presentTest))
	ack, _, rej := dcerpc.ParseBindAck(p)
	if p.Type != dcerpc.PTypeBindAck || rej != nil {
		r.t.Fatalf("answer to a bind: %+v", p)
	}
	c.group = ack.AssocGroup
	return c
}

// eachTransport runs a test for each of them.
func eachTransport(t *testing.T, f func(t *testing.T, tr layout.Transport)) {
	for _, tr := range transports {
		t.Run(strings.ToUpper(string(tr)), func(t *testing.T) { f(t, tr) })
	}
}
