// SPDX-License-Identifier: Apache-2.0

// The text of /proc/net/tcp, tcp6 and unix (proc(5)): pure parsers. A row that
// does not follow the format is an error, a missing field too.

package listeners

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	tcpListen  = 0x0a    // TCP_LISTEN, include/net/tcp_states.h
	tcpClose   = 0x07    // TCP_CLOSE, what a bound datagram socket is in
	acceptsCon = 0x10000 // __SO_ACCEPTCON, include/linux/net.h
)

func rows(text []byte) [][]byte {
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return lines[1:] // the first one is the heading; Split returns at least one
}

func (s *Snapshot) addTCP(text []byte) error {
	for i, row := range rows(text) {
		t, err := parseTCPRow(string(row))
		if err != nil {
			return fmt.Errorf("line %d: %w", i+2, err)
		}
		s.TCP = append(s.TCP, t)
	}
	return nil
}

// parseTCPRow reads "sl: local:port remote:port st tx:rx tr:when retr uid timeout inode ...".
func parseTCPRow(row string) (TCP, error) {
	f := strings.Fields(row)
	if len(f) < 10 {
		return TCP{}, fmt.Errorf("%d fields instead of 10", len(f))
	}
	addr, port, ok := strings.Cut(f[1], ":")
	ip, err := parseAddr(addr)
	if !ok || err != nil {
		return TCP{}, fmt.Errorf("local address %q is not an address", f[1])
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return TCP{}, fmt.Errorf("port %q is not a number", port)
	}
	state, err := strconv.ParseUint(f[3], 16, 8)
	if err != nil {
		return TCP{}, fmt.Errorf("state %q is not a number", f[3])
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	if err != nil {
		return TCP{}, fmt.Errorf("inode %q is not a number", f[9])
	}
	return TCP{Addr: ip.String(), Port: int(p), Listening: state == tcpListen, Inode: inode}, nil
}

// parseAddr reads an address printed as 32-bit words in host byte order.
func parseAddr(s string) (netip.Addr, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, fmt.Errorf("not an address: %q", s)
	}
	for w := 0; w < len(b); w += 4 {
		binary.NativeEndian.PutUint32(b[w:], binary.BigEndian.Uint32(b[w:]))
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip.Unmap(), nil
}

func (s *Snapshot) addUnix(text []byte) error {
	for i, row := range rows(text) {
		u, err := parseUnixRow(string(row))
		if err != nil {
			return fmt.Errorf("line %d: %w", i+2, err)
		}
		if strings.HasPrefix(u.Path, "/") {
			s.Unix = append(s.Unix, u)
		}
	}
	return nil
}

// parseUnixRow reads "num: refcount protocol flags type st inode [path]". The
// path may hold spaces.
func parseUnixRow(row string) (Unix, error) {
	rest := row
	var f [7]string
	for i := range f {
		rest = strings.TrimLeft(rest, " ")
		end := strings.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return Unix{}, fmt.Errorf("%d fields instead of 7", i)
		}
		f[i], rest = rest[:end], rest[end:]
	}
	flags, err := strconv.ParseUint(f[3], 16, 32)
	if err != nil {
		return Unix{}, fmt.Errorf("flags %q are not a number", f[3])
	}
	inode, err := strconv.ParseUint(f[6], 10, 64)
	if err != nil {
		return Unix{}, fmt.Errorf("inode %q is not a number", f[6])
	}
	return Unix{Path: strings.TrimPrefix(rest, " "), Listening: flags&acceptsCon != 0, Inode: inode}, nil
}
