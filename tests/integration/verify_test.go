// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// What msrpcctl verify and status say, and to which user.

// Without CAP_SYS_ADMIN, as in a container that must not nest, no sandbox can be
// made: that is one finding, and the way out is named.
func TestVerifyNamesAMissingCapabilityOnce(t *testing.T) {
	h := boot(t, file("/etc/systemd/system.conf.d/nocap.conf", "[Manager]\nCapabilityBoundingSet=~CAP_SYS_ADMIN\n"), func(o *sandboxOptions) {
		// systemd takes the capability from the kernel's helpers, too: not from this host's.
		o.Setup = "cd /proc/sys/kernel/usermodehelper; mount -t tmpfs tmpfs .; cd .; for f in bset inheritable; do echo 4294967295 511 >/proc/sys/kernel/usermodehelper/$f; done"
	}).install().smbd()
	knock(h)
	h.eventually(func() error {
		v, rc := h.verify()
		if rc != 1 || len(v.Groups) != 1 || v.Groups[0].Check != "sandbox" || !strings.Contains(v.Groups[0].Remedy, "security.nesting") {
			return fmt.Errorf("exit status %d, %+v", rc, v.Groups)
		}
		for _, c := range v.Groups[0].Consequences {
			if strings.Contains(c.What, "226/NAMESPACE") {
				return nil
			}
		}
		return fmt.Errorf("no service that failed for it: %+v", v.Groups[0])
	})
}

// An ordinary user sees what can be known, and no finding that is none.
func TestVerifyAsAnOrdinaryUser(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	h.run("systemctl", "start", "dbus.socket")
	v, rc := h.verify(asNobody...)
	if rc != 0 || len(v.Groups) > 0 || len(v.Unknown) == 0 {
		t.Errorf("exit status %d: %+v", rc, v)
	}
	h.run("systemctl", "stop", "msrpc-tcp-winreg.socket", "msrpc-broker@winreg.service")
	if v, rc = h.verify(asNobody...); rc != 1 || len(v.Groups) != 1 || v.Groups[0].Unit != "msrpc-tcp-winreg.socket" {
		t.Errorf("a listener that is down: exit status %d: %+v", rc, v)
	}
	if out, rc := h.try("sh", "-c", "mv /var/lib/msrpcd/catalogue.db /tmp; msrpcctl verify"); rc != 2 {
		t.Errorf("without a catalogue: exit status %d: %s", rc, out)
	}
}

// Names of processes are text of others.
func TestNamesOfProcessesDoNotReachTheTerminal(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50113\n")).install().smbd()
	h.run("systemctl", "stop", "msrpc-tcp-winreg.socket", "msrpc-broker@winreg.service")
	h.MustStart(t, "python3", "-c", `import ctypes,socket,time
ctypes.CDLL(None).prctl(15,'\x1b[2J\nwell\u202e\u009b'.encode(),0,0,0)
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(('127.0.0.1',50113)); s.listen(5); time.sleep(60)`)
	for _, args := range [][]string{{"verify"}, {"verify", "--json"}, {"refresh"}} {
		h.eventually(func() error {
			out, _ := h.try(append([]string{"msrpcctl"}, args...)...)
			if !strings.Contains(out, "well") {
				return fmt.Errorf("it is not named: %s", out)
			}
			if strings.ContainsAny(out, "\x1b\u202e\u009b") {
				t.Errorf("%q: %q", args, out)
			}
			return nil
		})
	}
}

func TestVerifyListsWhatIsReachable(t *testing.T) {
	h := boot(t, func(o *sandboxOptions) { o.Addresses = []string{"192.0.2.1/24"} }).install().smbd()
	v, _ := h.verify()
	got := map[string]bool{}
	for _, r := range v.Reachable {
		got[fmt.Sprintf("%s %d %s", r.Address, r.Port, r.Rpcd)] = true
	}
	if !got["* 135 epmapper"] || len(v.Groups) > 0 {
		t.Errorf("%+v", v)
	}
}

// One bad status file costs one row of status.
func TestABadStatusFileCostsOneRow(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	h.run("truncate", "-s", "0", "/run/msrpc/winreg/status")
	out := h.run("msrpcctl", "status")
	h.contains(out, "lsad")
	h.contains(out, "winreg")
	h.contains(out, "not a status file")
}
