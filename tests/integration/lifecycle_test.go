// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/sandbox"
)

const (
	winregPipe    = "/run/samba/ncalrpc/np/winreg"
	winregNcalrpc = "/run/samba/ncalrpc/rpcd_winreg"
)

// dial connects to a unix listener of the box from outside.
func (h *host) dial(path string) net.Conn {
	h.t.Helper()
	c := check.Dial(h.t, "unix", h.Path(path))
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// loadResult is what bindload prints.
type loadResult struct {
	Conns, Failed int
	Errors        map[string]int
	Workers       map[string]int
	Rate          float64
	P50           int64 `json:"p50_us"`
	P99           int64 `json:"p99_us"`
	Max           int64 `json:"max_us"`
}

func parseLoad(t testing.TB, out string) loadResult {
	t.Helper()
	var r loadResult
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("bindload: %v\n%s", err, out)
	}
	return r
}

// load runs bindload to its end.
func (h *host) load(args ...string) loadResult {
	h.t.Helper()
	return parseLoad(h.t, h.run(append([]string{"bindload"}, args...)...))
}

// loading starts bindload; the function that is returned waits for its result.
func (h *host) loading(args ...string) (*sandbox.Process, func() loadResult) {
	h.t.Helper()
	p := h.MustStart(h.t, append([]string{"bindload"}, args...)...)
	return p, func() loadResult {
		h.t.Helper()
		p.Wait()
		return parseLoad(h.t, p.Output())
	}
}

// processes lists the command lines of msrpcd's and Samba's RPC programs.
func (h *host) processes() []string {
	out, _ := h.try("pgrep", "-a", "-f", "msrpc-|rpcd_|samba-dcerpcd|samba-bgqd")
	var list []string
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		if l != "" {
			list = append(list, l)
		}
	}
	return list
}

// works calls three rpcds through smbd.
func (h *host) works() {
	h.t.Helper()
	for _, c := range []string{"srvinfo", "enumdomusers", "lsaquery"} {
		if out, rc := h.try(rpcclient(c)...); rc != 0 {
			h.t.Errorf("%s: exit status %d:\n%s", c, rc, out)
		}
	}
}

func TestStopOfTheTargetLeavesNothing(t *testing.T) {
	h := boot(t).install().smbd()
	before := h.listeners()
	h.works()
	bound, silent := h.dial(winregNcalrpc), h.dial(winregNcalrpc)
	bindOn(t, bound)
	h.run("systemctl", "stop", "msrpc.target")
	for name, c := range map[string]net.Conn{"bound": bound, "silent": silent} {
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the %s client reads %d bytes, %v; want the end of file", name, n, err)
		}
	}
	h.eventually(func() error { // systemctl waits for the target, whose job comes before those of its parts
		left := append(h.active("msrpc-*.service", "msrpc-*.socket", "msrpc-*.path"), h.processes()...)
		if len(left) > 0 {
			return fmt.Errorf("still there: %v", left)
		}
		return nil
	})
	check.Is(t, "stored descriptors", "0", h.property("msrpc-broker@winreg.service", "NFileDescriptorStore"))
	if _, err := os.Stat(h.Path(winregPipe)); err == nil {
		t.Error("the node of a pipe is left")
	}
	h.run("systemctl", "start", "msrpc.target")
	if after := h.listeners(); !slices.Equal(before, after) {
		t.Errorf("listeners before %v, after %v", before, after)
	}
	h.works()
}

func TestTenRestartsOfTheTarget(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	before := len(h.active("msrpc-np-*.socket", "msrpc-tcp-*.socket", "msrpc-ncalrpc-*.socket"))
	for range 10 {
		h.run("systemctl", "restart", "msrpc.target")
	}
	after := len(h.active("msrpc-np-*.socket", "msrpc-tcp-*.socket", "msrpc-ncalrpc-*.socket"))
	if before != after || before == 0 {
		t.Errorf("%d listener units before, %d after", before, after)
	}
	check.Is(t, "failed", "", strings.TrimSpace(h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "msrpc*")))
	h.works()
}

func TestNothingRunsWhileNobodyCalls(t *testing.T) {
	h := boot(t, idleSec("winreg", 1)).install()
	if p := h.processes(); len(p) > 0 {
		t.Errorf("running before the first call: %v", p)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-n", "3"); r.Conns != 3 {
		t.Errorf("%+v", r)
	}
	if p := h.processes(); len(p) < 3 {
		t.Errorf("running after a call: %v, want broker, adaptor and rpcd", p)
	}
	h.eventually(func() error {
		if p := h.processes(); len(p) > 0 {
			return fmt.Errorf("still running: %v", p)
		}
		return nil
	})
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("after the idle exit: %+v", r)
	}
	for _, d := range []string{"msg.sock", "msg.lock"} {
		left, _ := os.ReadDir(h.Path("/run/samba/" + d))
		if len(left) > 2 { // adaptor and rpcd of the last call
			t.Errorf("%s keeps the files of those that ended: %v", d, left)
		}
	}
}

// idleSec sets IdleSec= of one rpcd.
func idleSec(name string, sec int) func(*sandboxOptions) {
	return file("/etc/msrpcd/rpcd.d/"+name+".conf", fmt.Sprintf("[Rpcd]\nIdleSec=%d\n", sec))
}

func TestTransportOffAndOn(t *testing.T) {
	h := boot(t).install()
	port := h.port("winreg")
	addr := "127.0.0.1:" + port
	if r := h.load("-addr", addr); r.Conns != 1 {
		t.Fatalf("before: %+v", r)
	}
	listening := func() []string {
		return strings.Fields(h.sh("ss -Hltn | awk '{print $4}' | sort"))
	}
	before := listening()
	h.run("msrpcctl", "transport", "off", "tcp", "winreg")
	off := listening()
	want := slices.DeleteFunc(slices.Clone(before), func(a string) bool { return strings.HasSuffix(a, ":"+port) })
	if !slices.Equal(off, want) {
		t.Errorf("listening before %v, then %v; want only port %s to go", before, off, port)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("ncalrpc, while TCP is off: %+v", r)
	}
	h.run("msrpcctl", "transport", "on", "tcp", "winreg")
	if on := listening(); !slices.Equal(on, before) {
		t.Errorf("listening before %v, after off and on %v", before, on)
	}
	if r := h.load("-addr", addr); r.Conns != 1 {
		t.Errorf("after: %+v", r)
	}
}

// port is the TCP port of an rpcd.
func (h *host) port(name string) string {
	h.t.Helper()
	listen := h.property("msrpc-tcp-"+name+".socket", "Listen") // "[::]:49152 (Stream)"
	addr, _, _ := strings.Cut(listen, " ")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		h.t.Fatalf("Listen of msrpc-tcp-%s.socket: %q", name, listen)
	}
	return port
}

func TestRpcdIsRemovedAndAddedWhileOthersServe(t *testing.T) {
	h := boot(t).install()
	rpcd := strings.TrimSpace(h.sh("ls /usr/libexec/samba/rpcd_mdssvc /usr/lib/*/samba/rpcd_mdssvc 2>/dev/null | head -n 1"))
	node := "/run/samba/ncalrpc/np/mdssvc"
	if r := h.load("-net", "unix", "-addr", "/run/samba/ncalrpc/rpcd_mdssvc", "-iface", "885d85fb-c754-4062-a0e7-6872ce0064f4", "-major", "2"); r.Conns != 1 {
		t.Fatalf("mdssvc before: %+v", r)
	}
	held := h.dial(winregNcalrpc)
	bindOn(t, held)
	_, result := h.loading("-net", "unix", "-addr", winregNcalrpc, "-rate", "200", "-n", "0", "-c", "4", "-d", "6s")
	h.run("mv", rpcd, "/root/rpcd_mdssvc")
	h.run("msrpcctl", "refresh")
	if _, err := os.Stat(h.Path(node)); err == nil {
		t.Error("the pipe of the removed rpcd is still there")
	}
	if left := h.active("msrpc-*mdssvc*.service", "msrpc-*mdssvc*.socket"); len(left) > 0 {
		t.Errorf("still active: %v", left)
	}
	h.run("mv", "/root/rpcd_mdssvc", rpcd)
	h.run("msrpcctl", "refresh")
	if _, err := os.Stat(h.Path(node)); err != nil {
		t.Errorf("the pipe of the added rpcd: %v", err)
	}
	if r := h.load("-net", "unix", "-addr", "/run/samba/ncalrpc/rpcd_mdssvc", "-iface", "885d85fb-c754-4062-a0e7-6872ce0064f4", "-major", "2"); r.Conns != 1 {
		t.Errorf("mdssvc after: %+v", r)
	}
	if r := result(); r.Failed > 0 || r.Conns < 500 {
		t.Errorf("winreg meanwhile: %+v", r)
	}
	held.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := held.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("a client of winreg was disturbed: %v", err)
	}
}

func TestRpcdWithoutInterfaceServesNothing(t *testing.T) {
	h := boot(t, file("/opt/rpcd/rpcd_nothing", "#!/bin/sh\nprintf '5\\n60\\n'\n"),
		file("/etc/msrpcd/rpcd.d/nothing.conf", "[Rpcd]\nExec=/opt/rpcd/rpcd_nothing\n")).install()
	if units := h.sh("ls /run/systemd/generator | grep nothing || true"); units != "" {
		t.Errorf("units for an rpcd without interface: %s", units)
	}
	check.Is(t, "failed", "", strings.TrimSpace(h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "msrpc*")))
	h.contains(h.run("msrpcctl", "list"), "nothing")
}

// TestChangeDuringARefreshIsSeen: msrpc-refresh.path does not see what changes
// while its service runs.
func TestChangeDuringARefreshIsSeen(t *testing.T) {
	h := boot(t, rpcdScript("first", `[ -e /opt/rpcd/rpcd_late ] || {
	sed 's/first/late/; s/1099/1098/' /opt/rpcd/rpcd_first >/opt/rpcd/rpcd_late
	chmod 755 /opt/rpcd/rpcd_late
	printf '[Rpcd]\nExec=/opt/rpcd/rpcd_late\n' >/etc/msrpcd/rpcd.d/late.conf
}
`+listingHead+` ncalrpc:[first]\n'`)).install()
	check.Is(t, "of 2 listeners after one refresh", 2, len(h.active("msrpc-ncalrpc-first.socket", "msrpc-ncalrpc-late.socket")))
}
