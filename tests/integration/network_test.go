// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// With "bind interfaces only" listeners have the addresses that the host's
// interfaces have now.

const mapperPort = ":135"

// listensOn are the addresses that something listens on at a port, sorted.
func (h *host) listensOn(port string) []string {
	h.t.Helper()
	var found []string
	for _, line := range strings.Split(h.run("ss", "-Hltn"), "\n") {
		if f := strings.Fields(line); len(f) > 3 {
			if a, ok := strings.CutSuffix(f[3], port); ok {
				found = append(found, a)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// listens waits until port 135 is listened on at these addresses and no other.
func (h *host) listens(want ...string) {
	h.t.Helper()
	slices.Sort(want)
	h.eventually(func() error {
		if got := h.listensOn(mapperPort); !slices.Equal(got, want) {
			return fmt.Errorf("listeners at %q, want %q", got, want)
		}
		return nil
	})
}

// quiet waits until what follows the network has ended.
func (h *host) quiet() {
	h.t.Helper()
	h.eventually(func() error {
		if a := h.active("msrpc-network.service", "msrpc-refresh.service", "msrpc-look.service"); len(a) > 0 {
			return fmt.Errorf("%q run", a)
		}
		return nil
	})
}

// onInterfaces is a host that listens on these interfaces only. eth7 is made,
// without an address.
func onInterfaces(t *testing.T, interfaces string) *host {
	h := boot(t, global("interfaces = "+interfaces), global("bind interfaces only = yes"))
	h.sh("ip link set lo up; ip link add eth7 type bridge; ip link set eth7 up")
	return h
}

func TestANewLeaseIsServedAfterABoot(t *testing.T) {
	h := onInterfaces(t, "lo eth7")
	h.sh("ip addr add 198.51.100.7/24 dev eth7")
	h.install()
	h.listens("127.0.0.1", "198.51.100.7", "[::1]")
	h.sh("systemctl stop msrpc.target; ip addr del 198.51.100.7/24 dev eth7; ip addr add 198.51.100.99/24 dev eth7; systemctl daemon-reload; systemctl start msrpc.target")
	h.listens("127.0.0.1", "198.51.100.99", "[::1]")
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:198.51.100.99", "samr"), "1 answered")
	h.quiet()
	if out := h.findings(); strings.Contains(out, "addresses: ") {
		t.Errorf("verify finds:\n%s", out)
	}
}

func TestAnInterfaceThatComesLaterIsServedAndOneThatGoesIsLetGo(t *testing.T) {
	h := boot(t, global("interfaces = eth8"), global("bind interfaces only = yes"))
	h.install()
	h.listens()
	h.contains(h.findings(), "leaves no address to listen on")
	h.sh("ip link add eth8 type bridge; ip link set eth8 up; ip addr add 198.51.100.8/24 dev eth8; ip addr add 2001:db8::8/64 dev eth8 nodad")
	h.listens("198.51.100.8", "[2001:db8::8]")
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:198.51.100.8", "samr"), "1 answered")
	h.sh("ip link del eth8")
	h.listens()
	h.quiet()
}

// findings are what verify says, whatever its exit status.
func (h *host) findings() string {
	out, _ := h.try("msrpcctl", "verify")
	return out
}

// An address is taken over and given back, as a cluster does, while clients of
// another one come all the time.
func TestAddressesThatStayAreServedWithoutAGap(t *testing.T) {
	h := onInterfaces(t, "lo eth7").install()
	h.listens("127.0.0.1", "[::1]")
	port := h.port("winreg")
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:127.0.0.1["+port+"]"), "1 answered")
	load := h.MustStart(t, "sh", "-c", "while [ ! -e /run/enough ]; do msrpcctl ping -c 50 -i 0.01 'ncacn_ip_tcp:127.0.0.1["+port+"]'; done >/run/load 2>&1")
	for _, a := range []string{"192.0.2.50/32", "2001:db8::50/128"} {
		h.sh("ip addr add " + a + " dev lo")
	}
	h.listens("127.0.0.1", "[::1]", "192.0.2.50", "[2001:db8::50]")
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:192.0.2.50["+port+"]"), "1 answered")
	h.sh("ip addr del 192.0.2.50/32 dev lo")
	h.listens("127.0.0.1", "[::1]", "[2001:db8::50]")
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:[2001:db8::50]["+port+"]"), "1 answered")
	h.sh("ip addr del 2001:db8::50/128 dev lo; ip addr add 198.51.100.1/24 dev eth7")
	h.listens("127.0.0.1", "[::1]", "198.51.100.1")
	h.sh("touch /run/enough")
	check.Is(t, "the load ended with", 0, load.Wait())
	text := h.sh("cat /run/load")
	if n := strings.Count(text, " 0 failed"); n < 2 || n != strings.Count(text, " tried, ") {
		t.Errorf("clients of an address that stayed were lost: %d of %d rounds without\n%.2000s", n, strings.Count(text, " tried, "), text)
	}
	h.quiet()
	if h.property("msrpc-network.socket", "SubState") != "listening" {
		t.Error("nothing waits for the next change")
	}
}

func TestALeaseThatFlapsIsLookedAtSeldom(t *testing.T) {
	h := onInterfaces(t, "lo eth7").install()
	h.quiet()
	h.sh("for i in $(seq 60); do ip addr add 198.51.100.7/24 dev eth7; sleep .05; ip addr del 198.51.100.7/24 dev eth7; sleep .05; done; ip addr add 198.51.100.9/24 dev eth7")
	h.listens("127.0.0.1", "[::1]", "198.51.100.9")
	h.quiet()
	runs := strings.Count(h.journal("-u", "msrpc-refresh.service", "-o", "cat"), "Starting ")
	if runs > 8 {
		t.Errorf("%d refreshes", runs)
	}
	check.Is(t, "msrpc-network.socket is", "listening", h.property("msrpc-network.socket", "SubState"))
}

func TestTransportOffHoldsForAddressesThatCome(t *testing.T) {
	h := onInterfaces(t, "lo eth7").install()
	h.sh("ip addr add 198.51.100.7/24 dev eth7")
	h.listens("127.0.0.1", "[::1]", "198.51.100.7")
	port := ":" + h.port("winreg")
	h.run("msrpcctl", "transport", "off", "--runtime", "tcp", "winreg")
	h.sh("ip addr add 198.51.100.8/24 dev eth7")
	h.listens("127.0.0.1", "[::1]", "198.51.100.7", "198.51.100.8")
	if got := h.listensOn(port); len(got) > 0 {
		t.Errorf("winreg listens on %q", got)
	}
	h.run("msrpcctl", "transport", "on", "tcp", "winreg")
	if got := h.listensOn(port); len(got) != 4 {
		t.Errorf("winreg listens on %q", got)
	}
}

func TestThreeHundredAddressesWorkUpToTheCap(t *testing.T) {
	h := onInterfaces(t, "eth7")
	h.sh("for i in $(seq 0 299); do echo addr add 10.0.$((i / 250)).$((i % 250 + 1))/16 dev eth7; done | ip -batch -")
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	out, rc := h.try("msrpcctl", "refresh")
	h.contains(out, "name 300 addresses, and rpcds listen on 256 at most")
	if rc != 0 {
		t.Fatalf("exit status %d:\n%s", rc, out)
	}
	h.run("systemctl", "start", "msrpc.target")
	check.Is(t, "addresses are listened on", 256, len(h.listensOn(mapperPort)))
	h.contains(h.run("msrpcctl", "ping", "ncacn_ip_tcp:10.0.0.200", "samr"), "1 answered")
}
