// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

// Binds that come in small pieces over unix sockets, where each piece takes much
// of its sender's buffer until it is read.

// TestBindInPiecesOverUnixSocketsIsServed: by a Samba worker, by a native one
// behind a broker, and by one with listeners of its own; also over a restart of
// the broker in the middle.
func TestBindInPiecesOverUnixSocketsIsServed(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=np tcp ncalrpc\nPort="+echoPort+"\nWorkers=2\nActivation=broker\n")).install()
	h.pipeClient()
	request := check.File(t, h.Path(npaRequest))
	echo := winregBind(0)
	copy(echo[32:], []byte{0xc5, 0x5e, 0xa1, 0x60, 0xe8, 0x4d, 0xd7, 0x11, 0xa6, 0x37, 0, 0x50, 0x56, 0xa2, 1, 0x82, 1, 0, 0, 0})
	epm := winregBind(0)
	copy(epm[32:], []byte{8, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 8, 0, 0x2b, 0x14, 0xa0, 0xfa, 3, 0, 0, 0})
	for _, c := range []bindInPieces{
		{"ncalrpc, Samba", winregNcalrpc, winregBind(0), false, ""},
		{"ncalrpc, Samba, restart", winregNcalrpc, winregBind(0), false, "msrpc-broker@winreg.service"},
		{"np, Samba", winregPipe, winregBind(0), true, ""},
		{"np, Samba, restart", winregPipe, winregBind(0), true, "msrpc-broker@winreg.service"},
		{"ncalrpc, native", echoLocal, echo, false, ""},
		{"np, native", "/run/samba/ncalrpc/np/rpcecho", echo, true, "msrpc-broker@rpcecho.service"},
		{"ncalrpc, mapper", "/run/samba/ncalrpc/EPMAPPER", epm, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.send(t, h, request) })
	}
	h.noneDied()
}

// bindInPieces is a bind that a client sends byte by byte; a unit restarts meanwhile.
type bindInPieces struct {
	name, path string
	bind       []byte
	np         bool
	restart    string // a unit
}

func (c *bindInPieces) send(t *testing.T, h *host, request []byte) {
	conn := h.dial(c.path).(*net.UnixConn)
	stream := c.bind
	if c.np {
		conn.Write(request)
		if _, err := io.ReadFull(conn, make([]byte, 36)); err != nil {
			t.Fatal(err)
		}
		stream = nil
		for part := range slices.Chunk(c.bind, 8) { // a message each
			stream = append(append(stream, byte(len(part)), 0), part...)
		}
	}
	conn.SetWriteBuffer(1) // the kernel's least, some pieces
	start := time.Now()
	for i, x := range stream {
		if i == len(stream)/2 && c.restart != "" {
			h.run("systemctl", "restart", c.restart)
		}
		if _, err := conn.Write([]byte{x}); err != nil {
			t.Fatalf("byte %d of %d: %v", i, len(stream), err)
		}
	}
	if c.np {
		if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := answer(conn); err != nil || b[2] != 12 {
		t.Fatalf("answer %x, %v; want bind_ack", b, err)
	}
	t.Logf("served in %v", time.Since(start))
}
