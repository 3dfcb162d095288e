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

	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/program"
	"msrpcd/pkg/sys"
)

// rig is a server with real listeners: what systemd does for it is done by hand.
type rig struct {
	t       testing.TB
	srv     *Server
	hooks   *testHooks
	env     environment
	root    uint32        // the root user
	self    *program.Self // nil: its own
	loop    *loop
	done    chan error
	tcp     net.Listener
	np      net.Listener
	ncalrpc net.Listener
}

// newRig is not started yet, so that a test can set limits.
func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, env: environment{index: 3, indexBits: 16, maxNPA: maxNPA}, root: uint32(os.Geteuid()), done: make(chan error, 1)}
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start serves. The listeners' copies are the server's.
func (r *rig) start() *rig {
	r.t.Helper()
	var fds []sys.PassedFD
	for _, p := range []struct {
		name     string
		listener interface{ File() (*os.File, error) }
	}{
		{layout.FDNameTCP, r.tcp.(*net.TCPListener)}, {layout.FDNamePipe, r.np.(*net.UnixListener)},
		{layout.FDNameNcalrpc, r.ncalrpc.(*net.UnixListener)},
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
	r.loop = l
	go func() { r.done <- l.run() }()
	r.t.Cleanup(func() { r.stop() })
	return r
}

// stop ends the server as SIGTERM does.
func (r *rig) stop() {
	if r.loop == nil {
		return
	}
	r.loop.stop()
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

// client is the other end of a connection.
type client struct {
	net.Conn
	t      testing.TB
	np     bool   // messages around PDUs
	stream []byte // what was read and is no PDU yet
	h      dcerpc.Header
	group  uint32
	max    int // fragments
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
	cl := &client{Conn: c, t: r.t, np: tr == layout.NP, max: dcerpc.FragSizeTCP,
		h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	if cl.np {
		cl.max = dcerpc.FragSizeNP
		request, err := os.ReadFile("../npa/testdata/samba-4.22.npa_request.5.rpcd_winreg.bin")
		must(r.t, err)
		_, err = c.Write(request)
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

func (c *client) next() dcerpc.Header {
	c.h.CallID++
	return c.h
}

// bind is a bind with these contexts.
func (c *client) bind(group uint32, contexts ...dcerpc.Presentation) []byte {
	return dcerpc.AppendBind(nil, c.next(), dcerpc.Offer{MaxXmit: dcerpc.FragSizeTCP, MaxRecv: dcerpc.FragSizeTCP, AssocGroup: group}, contexts)
}

// request is a call in fragments, in context 0.
func (c *client) request(opnum uint16, stub []byte) []byte {
	return c.requestIn(0, opnum, stub)
}

func (c *client) requestIn(context, opnum uint16, stub []byte) []byte {
	h := c.next()
	h.Type, h.Flags = dcerpc.PTypeRequest, 0
	f := dcerpc.Fragmenter{Header: h, ContextID: context, Opnum: opnum, Stub: stub, MaxXmit: c.max}
	return f.Append(nil)
}

// send sends PDUs, each one a message on a named pipe.
func (c *client) send(pdus []byte) {
	c.t.Helper()
	if _, err := c.Write(c.framed(pdus, 1<<16-1)); err != nil {
		c.t.Fatal(err)
	}
}

// framed puts each of some PDUs into messages of at most size bytes, on a named
// pipe.
func (c *client) framed(pdus []byte, size int) []byte {
	if !c.np {
		return pdus
	}
	var out []byte
	for len(pdus) > 0 {
		n := len(pdus)
		if h, _, rej := dcerpc.ParseHeader(pdus, 0); rej == nil && h.FragLength > 0 {
			n = min(n, int(h.FragLength))
		}
		for pdu := pdus[:n]; len(pdu) > 0; {
			m := min(size, len(pdu))
			out = append(binary.LittleEndian.AppendUint16(out, uint16(m)), pdu[:m]...)
			pdu = pdu[m:]
		}
		pdus = pdus[n:]
	}
	return out
}

// receive reads one PDU; io.EOF when the server has closed.
func (c *client) receive() (dcerpc.PDU, error) {
	for {
		var pdu []byte
		if b := c.stream; !c.np {
			pdu = b
		} else if len(b) >= 2 && len(b) >= 2+int(binary.LittleEndian.Uint16(b)) {
			pdu = b[2 : 2+int(binary.LittleEndian.Uint16(b))]
		}
		p, need, rej := dcerpc.Parse(pdu, 0)
		switch {
		case rej != nil:
			c.t.Fatalf("the server sends %x: %v", pdu, rej)
		case need == 0:
			c.stream = c.stream[int(p.FragLength)+len(c.framed([]byte{0}, 1))-1:]
			return p, nil
		}
		buf := make([]byte, 1<<16)
		n, err := c.Read(buf)
		if err != nil {
			return p, err
		}
		c.stream = append(c.stream[:len(c.stream):len(c.stream)], buf[:n]...)
	}
}

// exchange sends PDUs and receives one.
func (c *client) exchange(pdus []byte) dcerpc.PDU {
	c.t.Helper()
	c.send(pdus)
	p, err := c.receive()
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// answer receives the answer to a call, of all fragments.
func (c *client) answer() (stub []byte, status dcerpc.Status) {
	c.t.Helper()
	var r dcerpc.Reassembler
	r.MaxStub = 64 << 20
	for {
		p, err := c.receive()
		if err != nil {
			c.t.Fatal(err)
		}
		if int(p.FragLength) > c.max {
			c.t.Errorf("a fragment of %d bytes, %d were agreed on", p.FragLength, c.max)
		}
		if f, rej := dcerpc.ParseFault(p); rej == nil {
			return nil, f.Status
		}
		part, rej := dcerpc.ParseResponse(p)
		if rej != nil {
			c.t.Fatalf("answer of type %s", dcerpc.TypeName(p.Type))
		}
		if whole, ok, rej := r.AddResponse(p.Header, part); rej != nil {
			c.t.Fatal(rej)
		} else if ok {
			return whole.Stub, 0
		}
	}
}

// call makes a call.
func (c *client) call(opnum uint16, stub []byte) ([]byte, dcerpc.Status) {
	c.t.Helper()
	c.send(c.request(opnum, stub))
	return c.answer()
}

// works checks that the connection is served.
func (c *client) works() {
	c.t.Helper()
	if got, status := c.call(opEcho, []byte("works")); string(got) != "works" || status != 0 {
		c.t.Fatalf("echo %q, %v", got, status)
	}
}

// over checks that the server closes the connection without another word.
func (c *client) over() {
	c.t.Helper()
	if p, err := c.receive(); err == nil || os.IsTimeout(err) {
		c.t.Errorf("the connection goes on: %s, %v", dcerpc.TypeName(p.Type), err)
	}
}

// fault checks that a PDU is answered with a fault.
func (c *client) fault(pdus []byte, status dcerpc.Status) {
	c.t.Helper()
	p := c.exchange(pdus)
	if f, rej := dcerpc.ParseFault(p); rej != nil || f.Status != status {
		c.t.Errorf("answer %s with %v, want a fault with %v", dcerpc.TypeName(p.Type), f.Status, status)
	}
}

// cut checks that it is, and that the connection ends with it.
func (c *client) cut(pdus []byte, status dcerpc.Status) {
	c.t.Helper()
	c.fault(pdus, status)
	c.over()
}

// naked checks that a bind is answered with a bind_nak.
func (c *client) naked(pdu []byte, reason uint16) {
	c.t.Helper()
	p := c.exchange(pdu)
	if n, rej := dcerpc.ParseBindNak(p); rej != nil || n.Reason != reason {
		c.t.Errorf("answer %s with %s, want a bind_nak with %s", dcerpc.TypeName(p.Type), dcerpc.ReasonName(n.Reason), dcerpc.ReasonName(reason))
	}
	c.over()
}

// eachTransport runs a test for each of them.
func eachTransport(t *testing.T, f func(t *testing.T, tr layout.Transport)) {
	for _, tr := range transports {
		t.Run(strings.ToUpper(string(tr)), func(t *testing.T) { f(t, tr) })
	}
}
