// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

func TestParsePortRange(t *testing.T) {
	for text, want := range map[string]PortRange{
		"32768\t60999\n": {32768, 60999}, "1 2": {1, 2}, "": {}, "5": {}, "9 1": {}, "a b": {}, "1 70000": {},
	} {
		got, err := ParsePortRange(text)
		if got != want || (err == nil) != (want != PortRange{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func conflict(s Sockets, in PortRange, port int) string {
	if c := PortConflict(s, "/proc", in, "winreg", port); c != nil {
		return c.String()
	}
	return ""
}

// Listeners and an outgoing connection of this very process are found, told
// with a remedy, and not taken for systemd's.
func TestPortConflict(t *testing.T) {
	loopback.Need(t)
	tcp := check.Listen(t, "tcp", "127.0.0.1:0")
	out := check.Dial(t, "tcp", tcp.Addr().String())
	path := filepath.Join(t.TempDir(), "node")
	check.Listen(t, "unix", path)

	s, err := listeners.Read()
	check.OK(t, err)
	port, local := tcp.Addr().(*net.TCPAddr).Port, out.LocalAddr().(*net.TCPAddr).Port
	in := PortRange{local, local}
	if got := conflict(s, in, port); !strings.Contains(got, "of winreg is in use by ") ||
		!strings.HasSuffix(got, "or pin another one with Port= in "+layout.AdminConfig+"/rpcd.d/winreg.conf") {
		t.Errorf("listener: %q", got)
	}
	if got := conflict(s, in, local); !strings.Contains(got, "sysctl net.ipv4.ip_local_reserved_ports=") {
		t.Errorf("outgoing: %q", got)
	}
	tcp.Close()
	if s, err = listeners.Read(); err != nil {
		t.Fatal(err)
	}
	check.Is(t, "free", "", conflict(s, PortRange{}, 1))

	check.Is(t, "listeners on the node", 1, len(Listeners(s, layout.NP, path)))
	check.Is(t, "listeners on no node", 0, len(Listeners(s, layout.NP, path+"-gone")))
}

func TestListenersOnAddresses(t *testing.T) {
	s := &listeners.Snapshot{TCP: []listeners.TCP{
		{Addr: "::", Port: 1, Listening: true, Inode: 1}, {Addr: "127.0.0.1", Port: 2, Listening: true, Inode: 2},
		{Addr: "2001:db8::1", Port: 3, Listening: true, Inode: 3}, {Addr: "127.0.0.1", Port: 4, Inode: 4},
	}}
	for node, want := range map[string]int{
		":1": 1, "127.0.0.1:1": 1, ":2": 0, "127.0.0.1:2": 1, "127.0.0.2:2": 0,
		"[2001:db8::1]:3": 1, "127.0.0.1:4": 0, "": 0, "127.0.0.1:x": 0,
	} {
		check.Is(t, fmt.Sprint(node), want, len(Listeners(s, layout.TCP, node)))
	}
}

func TestLocalPorts(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/ipv4/ip_local_port_range"); err == nil && LocalPorts() == (PortRange{}) {
		t.Error("the range is there and not read")
	}
}
