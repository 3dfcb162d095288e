// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// TestHardenedWorkersOfSambaServeAllThatNeedsNoScript: with the sandbox that they
// have where smb.conf names no script that may mount, and with the example for
// hosts without any script, on all workers.
func TestHardenedWorkersOfSambaServeAllThatNeedsNoScript(t *testing.T) {
	job := check.File(t, "testdata/printjob.py")
	h := boot(t, global("load printers = yes"), global("printcap name = /etc/printcap.test"), global("lpq command = true"),
		global("print command = { [ ! -e /dev/net/tun ] || : </dev/net/tun; } && cat %s >>/srv/out/job; rm %s"),
		global("unix password sync = yes"), global("passwd program = /usr/bin/passwd %u"), global(`passwd chat = *assword:* %n\n *assword:* %n\n *updated*`),
		file("/etc/printcap.test", "lp1|one\n"), file("/srv/printjob.py", string(job)), func(o *sandboxOptions) {
			o.Files["/etc/samba/smb.conf"] += "\n[printers]\n\tpath = /var/tmp\n\tprintable = yes\n"
		}).install().smbd()
	h.sh("mkdir -p /srv/out; chmod 1777 /srv/out; useradd alice; printf 'x\nx\n' | smbpasswd -s -a alice")
	h.servesInSandbox(5, printed, "0")
	h.run("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "setuserinfo2 alice 24 Secret.2026")
	if s := h.run("getent", "shadow", "alice"); !strings.HasPrefix(s, "alice:$") {
		t.Errorf("\"passwd program\" has not changed the password: %s", s)
	}
	h.sh(`for u in /run/systemd/generator/msrpc-worker-*@.service; do
	grep -q msrpc-samba-worker $u || continue
	install -D -m 644 /usr/share/doc/msrpcd/examples/hardened-worker.conf /etc/systemd/system/${u##*/}.d/hardened.conf
done
systemctl daemon-reload; msrpcctl refresh
sed -i 's|{.*} &&||' /etc/samba/smb.conf`) // no device but the usual ones
	h.servesInSandbox(3.8, printed+printed, "1")
}

// servesInSandbox has the workers of Samba do their work, and looks how much they
// are exposed; jobs is what is printed then, privileges whether NoNewPrivs is set.
func (h *host) servesInSandbox(most float64, jobs, privileges string) {
	h.t.Helper()
	h.serves("root%" + password)
	for _, args := range [][]string{
		{"registry", "createkey", `HKLM\Software\Hardened`}, {"registry", "setvalue", `HKLM\Software\Hardened`, "name", "sz", "value"},
		{"registry", "enumerate", `HKLM\Software\Hardened`}, {"share"}, {"user"}, {"printer", "list"},
		{"service", "list"},
	} {
		if out, rc := h.try(append([]string{"net", "rpc", "-S", "127.0.0.1", "-U", "root%" + password}, args...)...); rc != 0 {
			h.t.Errorf("net rpc %q: exit status %d\n%s", args, rc, out)
		}
	}
	h.printJob()
	h.eventually(func() error {
		if out, _ := h.try("cat", "/srv/out/job"); out != jobs {
			return fmt.Errorf("%d bytes were printed, want %d", len(out), len(jobs))
		}
		return nil
	})
	for _, name := range []string{"classic", "lsad", "winreg", "spoolss"} {
		unit := "msrpc-worker-" + name + "@0.service"
		h.exposedAtMost(unit, most)
		if s := h.run("grep", "NoNewPrivs", fmt.Sprintf("/proc/%d/status", h.childOf(unit))); !strings.Contains(s, privileges) {
			h.t.Errorf("%s: %s", unit, s)
		}
	}
}
