// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// TestHardenedWorkersOfSambaServeAllThatNeedsNoScript: the example for hosts whose
// smb.conf names no scripts, on all workers.
func TestHardenedWorkersOfSambaServeAllThatNeedsNoScript(t *testing.T) {
	job := check.File(t, "testdata/printjob.py")
	h := boot(t, global("load printers = yes"), global("printcap name = /etc/printcap.test"), global("lpq command = true"),
		global("print command = cat %s >>/srv/out/job; rm %s"),
		file("/etc/printcap.test", "lp1|one\n"), file("/srv/printjob.py", string(job)), func(o *sandboxOptions) {
			o.Files["/etc/samba/smb.conf"] += "\n[printers]\n\tpath = /var/tmp\n\tprintable = yes\n"
		}).install().smbd()
	h.sh("mkdir -p /srv/out; chmod 1777 /srv/out")
	h.exposedAtMost("msrpc-worker-spoolss@0.service", 6.3)
	h.sh(`for u in /run/systemd/generator/msrpc-worker-*@.service; do
	grep -q msrpc-samba-worker $u || continue
	install -D -m 644 /usr/share/doc/msrpcd/examples/hardened-worker.conf /etc/systemd/system/${u##*/}.d/hardened.conf
done
systemctl daemon-reload; msrpcctl refresh`)
	h.serves("root%" + password)
	for _, args := range [][]string{
		{"registry", "createkey", `HKLM\Software\Hardened`}, {"registry", "setvalue", `HKLM\Software\Hardened`, "name", "sz", "value"},
		{"registry", "enumerate", `HKLM\Software\Hardened`}, {"share"}, {"user"}, {"printer", "list"},
	} {
		if out, rc := h.try(append([]string{"net", "rpc", "-S", "127.0.0.1", "-U", "root%" + password}, args...)...); rc != 0 {
			t.Errorf("net rpc %q: exit status %d\n%s", args, rc, out)
		}
	}
	h.printJob()
	h.eventually(func() error {
		if out, _ := h.try("cat", "/srv/out/job"); out != printed {
			return fmt.Errorf("%d bytes were printed, want %d", len(out), len(printed))
		}
		return nil
	})
	for _, name := range []string{"classic", "lsad", "winreg", "spoolss"} {
		unit := "msrpc-worker-" + name + "@0.service"
		h.exposedAtMost(unit, 5)
		if s := h.run("grep", "NoNewPrivs", fmt.Sprintf("/proc/%d/status", h.childOf(unit))); !strings.Contains(s, "1") {
			t.Errorf("%s: %s", unit, s)
		}
	}
}
