// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// Named pipes without DCE/RPC (npsd_*, Samba 4.25), served by tests/tools/npsdecho.

const npsdPipe = "/run/samba/ncalrpc/np/npsdecho"

// npsd boots a host with npsd_echo installed.
func npsd(t *testing.T) *host {
	h := boot(t, file("/etc/msrpcd/rpcd.d/npsd.conf", "[Rpcd]\nExec=/opt/npsd/npsd_*\nIdleSec=1\n"))
	h.run("install", "-D", "-m", "0755", "/tools/npsdecho", "/opt/npsd/npsd_echo")
	return h.install()
}

// npsdRequest is what smbd of Samba 4.25 sent for a user on 127.0.0.1. extra,
// a multiple of 8, makes the client's name longer.
func npsdRequest(t *testing.T, extra int) []byte {
	t.Helper()
	b := vectors.Read(t, "samba/samba-4.25.npa_request.1.rpcd_classic.bin")
	const name = 0x30 // u32 maximum, u32 0, u32 actual count, bytes
	for _, at := range []int{name, name + 8} {
		binary.LittleEndian.PutUint32(b[at:], binary.LittleEndian.Uint32(b[at:])+uint32(extra))
	}
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+uint32(extra))
	head, tail := b[:name+12:name+12], b[name+12:]
	return append(append(head, strings.Repeat("x", extra)...), tail...)
}

// framed is a message as it stands in the stream.
func framed(text []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// receives reads as many bytes as are wanted.
func receives(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != string(want) {
		t.Fatalf("received %x, %v; want %x", got[:n], err, want)
	}
}

// npsdReply is what a client is told of this pipe: message mode, device state
// 0x00ff, allocation 4096.
var npsdReply = []byte{
	0, 0, 0, 32, 'N', 'P', 'A', 'M', 8, 0, 0, 0, 8, 0, 0, 0,
	2, 0, 0xff, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
}

func TestPipeWithoutDCERPC(t *testing.T) {
	h := npsd(t)
	if units := h.active("msrpc-*-npsd_echo.socket"); len(units) != 1 || units[0] != "msrpc-np-npsd_echo.socket" {
		t.Errorf("listeners %v", units)
	}
	h.contains(h.run("msrpcctl", "list"), "npsdecho")

	c := h.dial(npsdPipe)
	c.Write(npsdRequest(t, 0))
	receives(t, c, npsdReply)
	// The worker has the client before this says a word: it may be the first
	// to speak.
	worker := h.statusFile("npsd_echo").Worker(0)
	h.eventually(func() error {
		if n := worker.Received.Load(); n != 1 {
			return fmt.Errorf("the worker has got %d clients, want 1", n)
		}
		return nil
	})
	for _, text := range [][]byte{[]byte("first"), []byte("second")} {
		c.Write(framed(text))
		receives(t, c, framed(text))
	}

	h.passesThrough(t)

	// A client structure that takes several of Samba's datagrams.
	long := h.dial(npsdPipe)
	long.Write(npsdRequest(t, 4000))
	receives(t, long, npsdReply)
	long.Write(framed([]byte("third")))
	receives(t, long, framed([]byte("third")))
	c.Write(framed([]byte("still there")))
	receives(t, c, framed([]byte("still there")))

	// Samba's own tools reach it like any of its processes.
	h.contains(h.run("smbcontrol", strconv.Itoa(int(worker.ChildPID.Load())), "ping"), "PONG")

	c.Close()
	long.Close()
	h.endsWithoutTrace(t)
	check.Is(t, "connections are counted after the last one", 0, worker.Open())
}

// passesThrough shows that neither smbd's side nor the broker takes what a client
// of such a pipe says for DCE/RPC.
func (h *host) passesThrough(t *testing.T) {
	for name, text := range map[string][]byte{
		"a bind":           winregBind(0),
		"a bind_ack":       {5, 0, 12, 3, 16, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"a single byte":    {0},
		"the longest":      make([]byte, 0xffff),
		"the start of PDU": winregBind(0)[:9],
	} {
		t.Run(name, func(t *testing.T) {
			c := h.dial(npsdPipe)
			defer c.Close()
			c.Write(append(npsdRequest(t, 0), framed(text)...)) // in one, as a client that does not wait
			receives(t, c, append(npsdReply[:len(npsdReply):len(npsdReply)], framed(text)...))
		})
	}
	log := h.journal("-u", "msrpc-broker@npsd_echo.service", "-o", "cat")
	if strings.Contains(log, "refused") {
		t.Errorf("the broker refused something:\n%s", log)
	}
}

// endsWithoutTrace waits until nothing of npsd_echo runs after its last client.
func (h *host) endsWithoutTrace(t *testing.T) {
	h.eventually(func() error {
		if p, _ := h.try("pgrep", "-a", "-f", "npsd_echo"); p != "" {
			return fmt.Errorf("still running after the last client:\n%s", p)
		}
		return nil
	})
	for _, d := range []string{"msg.sock", "msg.lock"} {
		if left, _ := os.ReadDir(h.Path("/run/samba/" + d)); len(left) > 0 {
			t.Errorf("%s keeps the files of those that ended: %v", d, left)
		}
	}
}

// A call that asks for a worker of its own gets a spare.
func TestPipeWithoutDCERPCAndAnIdleWorker(t *testing.T) {
	h := npsd(t)
	request := vectors.Read(t, "samba/samba-4.25.npa_request.4.rpcd_winreg.bin")
	for _, text := range []string{"one", "two"} {
		c := h.dial(npsdPipe)
		c.Write(request)
		receives(t, c, npsdReply)
		c.Write(framed([]byte(text)))
		receives(t, c, framed([]byte(text)))
	}
	f := h.statusFile("npsd_echo")
	if a, b, c := f.Sent(0).Sent.Load(), f.Sent(1).Sent.Load(), f.Sent(2).Sent.Load(); a != 0 || b != 1 || c != 1 {
		t.Errorf("worker 0 has %d clients, the spares 1 and 2 have %d and %d; want 0, 1 and 1", a, b, c)
	}
}
