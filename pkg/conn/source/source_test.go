// SPDX-License-Identifier: Apache-2.0

package source

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
	"msrpcd/tests/vectors"
)

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::2:3:4:5", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1", "fe80::2", false},
		{"::1", "::2", false},
		{"127.0.0.1", "::1", false},
	} {
		same := Address(netip.MustParseAddr(tt.a)) == Address(netip.MustParseAddr(tt.b))
		if same != tt.same {
			t.Errorf("%s and %s are one source: %t, want %t", tt.a, tt.b, same, tt.same)
		}
	}
	if User(1) == User(2) || User(1) == Address(netip.MustParseAddr("1.0.0.0")) || !User(1).IsUser() {
		t.Error("users are not told apart")
	}
}

// accepted is the server's end of a connection to l.
func accepted(t *testing.T, l net.Listener, from net.Addr) int {
	t.Helper()
	d := net.Dialer{LocalAddr: from}
	c, err := d.Dial(l.Addr().Network(), l.Addr().String())
	check.OK(t, err)
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	check.OK(t, err)
	defer s.Close()
	f, err := s.(interface{ File() (*os.File, error) }).File()
	check.OK(t, err)
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l := check.Listen(t, network, addr)
	return l
}

func TestConnections(t *testing.T) {
	loopback.Need(t)
	tcp := accepted(t, listen(t, "tcp", "127.0.0.1:0"), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)})
	if s, ok := Of(layout.TCP, tcp, 0, nil); !ok || s != Address(netip.MustParseAddr("127.0.0.9")) {
		t.Errorf("TCP: %+v, %t", s, ok)
	}
	dual := accepted(t, listen(t, "tcp", "[::]:0"), nil)
	if s, ok := Of(layout.TCP, dual, 0, nil); !ok || s != Address(netip.MustParseAddr("::1")) && s != Address(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("dual stack: %+v, %t", s, ok)
	}
	local := accepted(t, listen(t, "unix", filepath.Join(t.TempDir(), "local")), nil)
	if s, ok := Of(layout.Ncalrpc, local, 0, nil); ok != (os.Getuid() != 0) || ok && s != User(uint32(os.Getuid())) {
		t.Errorf("ncalrpc: %+v, %t as uid %d", s, ok, os.Getuid())
	}
	request := vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
	q, _ := npa.Parse(request)
	want, err := netip.ParseAddr(string(q.ClientAddr))
	if s, ok := Of(layout.NP, local, q.Level, request[npa.HeaderSize:]); err != nil || !ok || s != Address(want) {
		t.Errorf("np: %+v, %t; want %v, %v", s, ok, want, err)
	}
	if _, ok := Of(layout.NP, local, q.Level, request[npa.HeaderSize:40]); ok {
		t.Error("np: half a request has a source")
	}
	if n := testing.AllocsPerRun(100, func() {
		Of(layout.TCP, tcp, 0, nil)
		Of(layout.NP, local, q.Level, request[npa.HeaderSize:])
		Of(layout.Ncalrpc, local, 0, nil)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
