// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// winregBind is a bind to winreg with one presentation context, 72 bytes.
func winregBind(group uint32) []byte {
	b := []byte{
		5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0,
		0, 0, 1, 0, 0x01, 0xd0, 0x8c, 0x33, 0x44, 0x22, 0xf1, 0x31, 0xaa, 0xaa, 0x90, 0x00, 0x38, 0x00, 0x10, 0x03, 1, 0, 0, 0,
		0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0,
	}
	binary.LittleEndian.PutUint32(b[20:], group)
	return b
}

// bigEndianBind is the same in the other byte order.
func bigEndianBind() []byte {
	return []byte{
		5, 0, 11, 3, 0, 0, 0, 0, 0, 72, 0, 0, 0, 0, 0, 1, 0x10, 0xb8, 0x10, 0xb8, 0, 0, 0, 0, 1, 0, 0, 0,
		0, 0, 1, 0, 0x33, 0x8c, 0xd0, 0x01, 0x22, 0x44, 0x31, 0xf1, 0xaa, 0xaa, 0x90, 0x00, 0x38, 0x00, 0x10, 0x03, 0, 0, 0, 1,
		0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 0, 0, 0, 2,
	}
}

// answer reads one PDU.
func answer(c net.Conn) ([]byte, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint16(b[8:]))
	if b[4]&0x10 == 0 {
		n = int(binary.BigEndian.Uint16(b[8:]))
	}
	b = append(b, make([]byte, max(n-16, 0))...)
	_, err := io.ReadFull(c, b[16:])
	return b, err
}

// bindOn binds and returns the association group.
func bindOn(t testing.TB, c net.Conn) uint32 { return bindTo(t, c, 0) }

func bindTo(t testing.TB, c net.Conn, group uint32) uint32 {
	t.Helper()
	if _, err := c.Write(winregBind(group)); err != nil {
		t.Fatal(err)
	}
	b, err := answer(c)
	if err != nil || b[2] != 12 {
		t.Fatalf("no bind_ack but %x, %v", b, err)
	}
	return binary.LittleEndian.Uint32(b[20:])
}
