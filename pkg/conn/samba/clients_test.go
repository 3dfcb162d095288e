// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// Clients of the harness.

// client is a client's end of a connection that a broker has accepted.
type client struct {
	net.Conn
	f      *fixture
	server *os.File
	addr   netip.AddrPort // local address, on TCP
	remote netip.AddrPort
}

// connect makes a connection to a listener of the transport at node.
func (f *fixture) connect(t layout.Transport, node string) *client {
	f.t.Helper()
	network, addr := "unix", filepath.Join(f.dir, string(t), node)
	if t.IP() {
		loopback.Need(f.t)
		network, addr = "tcp", "127.0.0.1:0"
	}
	l := check.Listen(f.t, network, addr)
	defer l.Close() // its address is used again
	c, err := net.Dial(network, l.Addr().String())
	f.must(err)
	s, err := l.Accept()
	f.must(err)
	defer s.Close()
	file, err := s.(interface{ File() (*os.File, error) }).File()
	f.must(err)
	r := &client{Conn: c, f: f, server: file}
	if t.IP() {
		r.addr = netip.MustParseAddrPort(l.Addr().String())
		r.remote = netip.MustParseAddrPort(c.LocalAddr().String())
	}
	c.SetDeadline(time.Now().Add(deadline))
	f.t.Cleanup(func() { c.Close(); file.Close() })
	return r
}

// give hands the connection over and closes the broker's copy.
func (c *client) give(m handoff.Message, more ...int) {
	c.f.t.Helper()
	c.f.handOver(m, append([]int{int(c.server.Fd())}, more...)...)
	c.server.Close()
}

// body reads the body by which the rpcd learned of the client.
func (c *client) body() []byte {
	c.f.t.Helper()
	var n [4]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		c.f.t.Fatalf("client is not served: %v\n%s", err, c.f.output.String())
	}
	b := make([]byte, binary.LittleEndian.Uint32(n[:]))
	_, err := io.ReadFull(c, b)
	c.f.must(err)
	return b
}

// closed asserts that the client sees the end.
func (c *client) closed() {
	c.f.t.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || err == nil || os.IsTimeout(err) {
		c.f.t.Fatalf("read %d bytes, %v; want the end of the connection\n%s", n, err, c.f.output.String())
	}
}

// bind is a bind PDU of winreg.
func bind(t testing.TB) []byte {
	pdu, _, _ := captured(vector(t, "samba-4.17.01.new_client.bin"))
	return bytes.Clone(pdu)
}

// identity is the request of a real smbd from its offset 16.
func identity(t testing.TB) []byte {
	return vector(t, "samba-4.17.npa_request.1.rpcd_classic.bin")[16:]
}

func framed(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

// pipeClient is a client of a named pipe that is handed over with its bind.
func (f *fixture) pipeClient() *client {
	f.t.Helper()
	c := f.connect(layout.NP, "winreg")
	c.Write(framed(bind(f.t)))
	c.give(f.pipeMessage())
	return c
}

func (f *fixture) pipeMessage() handoff.Message {
	return handoff.Message{
		ConnID: 7, FragLength: uint16(len(bind(f.t))), Binding: []byte(`ncacn_np:[\pipe\winreg]`), NPALevel: 7, NPA: identity(f.t),
	}
}
