// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"testing"
)

// TestWhatAScriptMountsIsSeenOutside: rpcds have mounts of their own, until smb.conf
// names a script that may mount.
func TestWhatAScriptMountsIsSeenOutside(t *testing.T) {
	h := boot(t, file("/srv/add-share", "#!/bin/sh\nmkdir -p /srv/mounted && mount -t tmpfs -o mode=777 tmpfs /srv/mounted\n")).install().smbd()
	const unit = "msrpc-worker-classic@0.service"
	host := h.run("readlink", "/proc/1/ns/mnt")
	own := func() bool {
		h.run("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "srvinfo")
		return h.run("readlink", fmt.Sprintf("/proc/%d/ns/mnt", h.childOf(unit))) != host
	}
	if !own() {
		t.Error("without scripts rpcd_classic has the host's mounts")
	}
	h.exposedAtMost(unit, 5)
	h.sh(`sed -i 's|^\[public\]|\tadd share command = /srv/add-share\n&|' /etc/samba/smb.conf`)
	h.eventually(func() error {
		if h.property(unit, "PrivateMounts") != "no" || own() {
			return fmt.Errorf("a script that may mount is named, and rpcd_classic has mounts of its own")
		}
		return nil
	})
	h.addShare()
	if out, rc := h.try("findmnt", "-n", "/srv/mounted"); rc != 0 {
		t.Errorf("what \"add share command\" mounts is not there outside: %s", out)
	}
	h.exposedAtMost(unit, 6.3)
}
