// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
)

// errBinding says that a binding has no tower.
var errBinding = errors.New("no tower for this binding")

// Binding is where the tower leads; false for protocols that msrpcd does not
// know.
func (t *Tower) Binding() (b binding.Binding, ok bool) {
	f := t.Floors()
	is := func(protocols ...byte) bool {
		if len(f) != len(protocols) {
			return false
		}
		for i, p := range protocols {
			if f[i].Protocol != p {
				return false
			}
		}
		return true
	}
	switch {
	case is(ProtocolCN, ProtocolTCP, ProtocolIP):
		b.Protseq = binding.TCP
	case is(ProtocolCN, ProtocolHTTP, ProtocolIP):
		b.Protseq = binding.HTTP
	case is(ProtocolCN, ProtocolSMB, ProtocolNetBIOS):
		b.Protseq = binding.NP
		b.Endpoint, b.Host = text(f[1].RHS), strings.TrimLeft(text(f[2].RHS), `\`)
		return b, true
	case is(ProtocolLRPC, ProtocolNamedPipe):
		b.Protseq, b.Endpoint = binding.Ncalrpc, text(f[1].RHS)
		return b, true
	}
	if b.Protseq == "" || len(f[1].RHS) != 2 || len(f[2].RHS) != 4 {
		return binding.Binding{}, false
	}
	b.Endpoint = strconv.Itoa(int(binary.BigEndian.Uint16(f[1].RHS)))
	if ip := netip.AddrFrom4([4]byte(f[2].RHS)); !ip.IsUnspecified() {
		b.Host = ip.String()
	}
	return b, true
}

// text is a name that may or may not end in NUL.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// AppendTower appends the tower octet string of a binding. Host is an IPv4
// address for TCP and HTTP, "" for 0.0.0.0: towers have no IPv6 addresses.
// An Endpoint of "" asks for any, as a client does in ept_map.
func AppendTower(dst []byte, iface, transfer dcerpc.SyntaxID, b binding.Binding) ([]byte, error) {
	local := b.Protseq == binding.Ncalrpc
	floors := byte(5)
	if local {
		floors = 4
	}
	start := len(dst)
	dst = append(dst, floors, 0)
	dst = appendSyntax(appendSyntax(dst, iface), transfer)
	if local {
		dst = appendFloor(dst, ProtocolLRPC, 0, 0)
	} else {
		dst = appendFloor(dst, ProtocolCN, 0, 0)
	}
	switch b.Protseq {
	case binding.Ncalrpc:
		dst = appendFloor(dst, ProtocolNamedPipe, name(b.Endpoint)...)
	case binding.NP:
		dst = appendFloor(dst, ProtocolSMB, name(b.Endpoint)...)
		dst = appendFloor(dst, ProtocolNetBIOS, name(b.Host)...)
	case binding.TCP, binding.HTTP:
		protocol := byte(ProtocolTCP)
		if b.Protseq == binding.HTTP {
			protocol = ProtocolHTTP
		}
		port, ip, err := address(b)
		if err != nil {
			return dst[:start], err
		}
		dst = appendFloor(dst, protocol, byte(port>>8), byte(port))
		dst = appendFloor(dst, ProtocolIP, ip[:]...)
	default:
		return dst[:start], fmt.Errorf("%w: protocol sequence %q", errBinding, b.Protseq)
	}
	if len(dst)-start > MaxTower {
		return dst[:start], fmt.Errorf("%w: its names have more than %d bytes", errBinding, MaxTower)
	}
	return dst, nil
}

// name is a string as in a floor.
func name(s string) []byte { return append([]byte(s), 0) }

// address is what a floor of IP has.
func address(b binding.Binding) (port uint16, ip [4]byte, err error) {
	if b.Endpoint != "" {
		n, err := strconv.ParseUint(b.Endpoint, 10, 16)
		if err != nil {
			return 0, ip, fmt.Errorf("%w: %q is not a port", errBinding, b.Endpoint)
		}
		port = uint16(n)
	}
	if b.Host != "" {
		a, err := netip.ParseAddr(b.Host)
		if err != nil || !a.Unmap().Is4() {
			return 0, ip, fmt.Errorf("%w: %q is not an IPv4 address", errBinding, b.Host)
		}
		ip = a.Unmap().As4()
	}
	return port, ip, nil
}
