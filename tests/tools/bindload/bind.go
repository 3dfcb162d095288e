// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// target is where to connect and what to say.
type target struct {
	network, addr, npaFile, iface string
	major, group                  uint
	from                          string
	bytewise                      bool
	pause                         time.Duration
	timeout                       time.Duration
	npa, pdu                      []byte
}

func (t *target) prepare() error {
	if t.addr == "" {
		return fmt.Errorf("-addr is missing")
	}
	if t.npaFile != "" {
		var err error
		if t.npa, err = os.ReadFile(t.npaFile); err != nil {
			return err
		}
	}
	id, err := uuidLE(t.iface)
	if err != nil {
		return err
	}
	ndr, _ := uuidLE("8a885d04-1ceb-11c9-9fe8-08002b104860")
	b := []byte{5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.group))
	b = append(b, 1, 0, 0, 0, 0, 0, 1, 0)
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint32(b, uint32(t.major))
	b = append(b, ndr...)
	t.pdu = binary.LittleEndian.AppendUint32(b, 2)
	if t.npa != nil {
		t.pdu = append([]byte{72, 0}, t.pdu...)
	}
	return nil
}

// uuidLE is a UUID as it stands in a PDU.
func uuidLE(s string) ([]byte, error) {
	h, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(h) != 16 {
		return nil, fmt.Errorf("%q is not a UUID", s)
	}
	return append([]byte{h[3], h[2], h[1], h[0], h[5], h[4], h[7], h[6]}, h[8:]...), nil
}

// dial connects, and on a named pipe does the handshake of smbd.
func (t *target) dial() (net.Conn, error) {
	d := net.Dialer{Timeout: t.timeout}
	if t.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(t.from)}
	}
	c, err := d.Dial(t.network, t.addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(t.timeout))
	if t.npa == nil {
		return c, nil
	}
	reply := make([]byte, 36)
	if _, err = c.Write(t.npa); err == nil {
		if _, err = io.ReadFull(c, reply); err == nil && binary.LittleEndian.Uint32(reply[32:]) != 0 {
			err = fmt.Errorf("named pipe auth refused: %x", reply[32:])
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// bind sends the bind and reads the answer; it returns the association group.
func (t *target) bind(c net.Conn, buf []byte) (uint32, error) {
	step := len(t.pdu)
	if t.bytewise {
		step = 1
	}
	for rest := t.pdu; len(rest) > 0; rest = rest[step:] {
		if t.pause > 0 && len(rest) < len(t.pdu) {
			time.Sleep(t.pause)
		}
		if _, err := c.Write(rest[:step]); err != nil {
			return 0, plain("send bind", err)
		}
	}
	head := 16
	if t.npa != nil {
		head += 2
	}
	if _, err := io.ReadFull(c, buf[:head]); err != nil {
		return 0, plain("read answer", err)
	}
	h := buf[head-16 : head]
	n := int(binary.LittleEndian.Uint16(h[8:]))
	if n < 24 || n > 4096 {
		return 0, fmt.Errorf("answer of %d bytes", n)
	}
	ptype := h[2]
	rest := buf[head : head+n-16]
	if _, err := io.ReadFull(c, rest); err != nil {
		return 0, plain("read answer", err)
	}
	if ptype != 12 {
		return 0, fmt.Errorf("answer of type %d", ptype)
	}
	return binary.LittleEndian.Uint32(rest[4:]), nil
}

// plain leaves the addresses out of an error, so that equal ones are counted together.
func plain(what string, err error) error {
	if op, ok := err.(*net.OpError); ok {
		err = op.Err
	}
	return fmt.Errorf("%s: %v", what, err)
}
