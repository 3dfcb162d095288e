// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// This file owns file systems that are full or read-only: what is served is
// served on, what cannot be written names the file system, verify finds it, and
// all is well when there is room again.

// fillsRun is a generator in the place of ours that first fills /run, which has
// room until then: systemd looks before.
const fillsRun = `#!/bin/sh
if [ -e /run/fills ]; then
	dd if=/dev/zero of=/run/fills bs=64k 2>/dev/null
	dd if=/dev/zero of=/run/fills bs=1 oflag=append conv=notrunc 2>/dev/null
fi
exec /usr/lib/systemd/system-generators/msrpc-generator "$@"
`

// said is what a command that fails says; it has to have all of want.
func (h *host) said(want []string, command ...string) {
	h.t.Helper()
	out, rc := h.try(command...)
	if rc == 0 {
		h.t.Errorf("%q succeeds:\n%s", command, out)
	}
	for _, w := range want {
		h.contains(out, w)
	}
}

func TestAFullRunClosesNoListener(t *testing.T) {
	h := boot(t, file("/etc/systemd/system-generators/msrpc-generator", fillsRun)).install().smbd()
	h.works()
	h.quiet()
	sockets := h.listeners()
	h.sh(`mount -o remount,size=$(($(df --output=used -k /run | tail -n 1) + 20480))k /run; touch /run/fills`)
	for i := range 2 {
		if i == 1 {
			h.run("truncate", "-s", "0", "/run/fills")
		}
		h.run("systemctl", "daemon-reload")
		if now := h.listeners(); !slices.Equal(now, sockets) {
			t.Fatalf("sockets that are gone: %v", without(sockets, now))
		}
	}
	h.sh("systemctl restart msrpc-broker@winreg.service msrpc-worker-epmapper@0.service")
	for _, to := range []string{"winreg", "ncalrpc:[EPMAPPER]", "ncacn_ip_tcp:127.0.0.1[135]"} {
		if p := h.ping(to); p.Answered != 1 {
			t.Errorf("%s: %+v", to, p)
		}
	}
	h.said([]string{"file systems: the file system /run is full", "make room on it"}, "msrpcctl", "verify")
	h.MustWrite(t, "/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50001\n")
	h.said([]string{"no space left on device; make room on the file system /run"}, "msrpcctl", "refresh")
	if now := h.listeners(); !slices.Equal(now, sockets) {
		t.Errorf("after a refresh: sockets that are gone: %v", without(sockets, now))
	}
	h.run("truncate", "-s", "-4M", "/run/fills") // enough for units, too little for a reload of systemd 253 and later
	if out, rc := h.try("msrpcctl", "refresh"); rc != 0 {
		h.contains(out, "space available on /run")
		if gone := without(sockets, h.active("msrpc-*.socket")); len(gone) > 0 {
			t.Errorf("after a reload that was refused: sockets that are gone: %v\n%s", gone, out)
		}
		if p := h.ping("winreg"); p.Answered != 1 {
			t.Errorf("after a reload that was refused: %+v", p)
		}
	}
	h.sh("rm /run/fills")
	h.run("msrpcctl", "refresh")
	if p := h.ping("ncacn_ip_tcp:127.0.0.1[50001]"); p.Answered != 1 {
		t.Errorf("the new port: %+v", p)
	}
	h.fine()
}

// TestARunThatTakesNoMoreFilesClosesNoListener: there is room, but for no name.
func TestARunThatTakesNoMoreFilesClosesNoListener(t *testing.T) {
	h := boot(t).install()
	h.quiet()
	h.ping("winreg")
	sockets := h.active("msrpc-*.socket")
	h.sh(`mount -o remount,nr_inodes=$(($(df --output=iused /run | tail -n 1) + 1000)) /run
mkdir /run/fills; cd /run/fills; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i + 1)); done | xargs touch 2>/dev/null || :`)
	h.said([]string{"file systems: the file system /run takes only 0 files more"}, "msrpcctl", "verify")
	h.run("systemctl", "daemon-reload")
	h.MustWrite(t, "/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50001\n")
	h.said([]string{"no space left on device; make room on the file system /run"}, "msrpcctl", "refresh")
	if lost := without(sockets, h.active("msrpc-*.socket")); len(lost) > 0 { // inboxes may come later
		t.Errorf("sockets that are gone: %v", lost)
	}
	if p := h.ping("winreg"); p.Answered != 1 {
		t.Errorf("%+v", p)
	}
	h.run("rm", "-r", "/run/fills")
	h.run("msrpcctl", "refresh")
	if p := h.ping("ncacn_ip_tcp:127.0.0.1[50001]"); p.Answered != 1 {
		t.Errorf("the new port: %+v", p)
	}
}

// TestVarThatCannotBeWritten: a refresh fails, and a timer tries it again.
func TestVarThatCannotBeWritten(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	for i, tt := range []struct{ make, said, remedy string }{
		{"cp -a /var/lib/msrpcd /tmp/c; mount -t tmpfs -o mode=755,size=256k tmpfs /var/lib/msrpcd; cp -a /tmp/c/. /var/lib/msrpcd; ! cat /dev/zero >/var/lib/msrpcd/full",
			"the file system /var/lib/msrpcd is full", "no space left on device; make room on the file system /var/lib/msrpcd"},
		{"mount --bind /var/lib/msrpcd /var/lib/msrpcd; mount -o remount,bind,ro /var/lib/msrpcd",
			"the file system /var/lib/msrpcd is read-only", "read-only file system; make the file system /var/lib/msrpcd writable"},
	} {
		h.quiet()
		h.sh(tt.make)
		h.said([]string{"file systems: " + tt.said}, "msrpcctl", "verify")
		port := fmt.Sprint(50001 + i)
		h.MustWrite(t, "/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort="+port+"\n") // msrpc-refresh.path sees it
		h.eventually(func() error {
			if a := h.active("msrpc-retry.timer"); len(a) != 1 {
				return fmt.Errorf("nothing is tried again")
			}
			return nil
		})
		if log := h.journal("-o", "cat"); !strings.Contains(log, tt.remedy) {
			t.Errorf("%q is not in:\n%s", tt.remedy, log)
		}
		h.run("systemctl", "daemon-reload") // the generator reads the last good one
		h.works()
		h.run("umount", "/var/lib/msrpcd")
		h.run("systemctl", "start", "msrpc-refresh.service") // as the timer does
		h.eventually(func() error {
			if out, rc := h.try("msrpcctl", "ping", "ncacn_ip_tcp:127.0.0.1["+port+"]"); rc != 0 {
				return fmt.Errorf("%s", out)
			}
			return nil
		})
	}
	h.quiet()
	h.fine()
}

// TestAFullEtc: a mask cannot be written; nothing is switched off.
func TestAFullEtc(t *testing.T) {
	h := boot(t).install().smbd()
	h.sh(`cp -a /etc/systemd/system /tmp/system; mount -t tmpfs -o mode=755,nr_inodes=500 tmpfs /etc/systemd/system
cp -a /tmp/system/. /etc/systemd/system; mkdir /etc/systemd/system/x; i=0; while touch /etc/systemd/system/x/$i; do i=$((i + 1)); done 2>/dev/null`)
	h.said([]string{"/etc/systemd/system", "make room"}, "msrpcctl", "transport", "off", "tcp", "winreg")
	h.serves("root%" + password)
	h.run("rm", "-r", "/etc/systemd/system/x")
	h.run("msrpcctl", "transport", "off", "tcp", "winreg")
	if units := h.active("msrpc-tcp-winreg.socket"); len(units) > 0 {
		t.Errorf("still there: %v", units)
	}
}
