// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	rpc "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/servers/epm"
	"msrpcd/tests/tools/check"
)

// Programs and settings that change while sessions are open: who is there is
// served to the end, new clients get what is new.

// replace puts a copy in the place of programs, as a package manager does.
func (h *host) replace(files string) {
	h.t.Helper()
	h.sh(`for f in ` + files + `; do cp "$f" "$f.new"; mv -f "$f.new" "$f"; done`)
}

// oldProcesses names programs that run and are no longer there.
func (h *host) oldProcesses(name string) string {
	return h.sh(`for p in $(pgrep -f '` + name + `'); do readlink /proc/$p/exe | grep 'deleted' || :; done`)
}

func TestBusyProgramsOfMsrpcdNoticeThatTheyWereReplaced(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=np tcp ncalrpc\n")).install().smbd()
	h.run("systemctl", "stop", "msrpc-refresh.path") // each notices it by itself
	mapper := h.heldAt(mapperLocal, epm.Interface)
	h.stored(mapperUnit)
	h.newClients(func() {
		s := h.sessions()
		restarts := h.property(brokerUnit, "NRestarts")
		h.replace("/usr/libexec/msrpcd/*")
		h.eventually(func() error {
			h.load("-net", "unix", "-addr", mapperLocal, "-iface", epmapperID, "-major", "3")
			h.works() // an idle process looks when it has something to do
			for _, name := range []string{"msrpc-broker (classic|lsad|winreg)", "rpcd_epmapper"} {
				if old := h.oldProcesses(name); old != "" {
					return fmt.Errorf("%s runs a program that was replaced: %s", name, old)
				}
			}
			return nil
		})
		if now := h.property(brokerUnit, "NRestarts"); now == restarts {
			t.Error("the broker was not restarted by systemd")
		}
		check.Is(t, "result of the broker", "success", h.property(brokerUnit, "Result"))
		s.kept()
		for i, c := range mapper {
			var out epm.LookupResponse
			if err := c.Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpLookup},
				&epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: 1}, &out); err != nil {
				t.Errorf("connection %d to the endpoint mapper: %v", i, err)
			}
		}
		h.eventually(func() error {
			if exe := h.sh("readlink /proc/" + h.property("msrpc-worker-winreg@0.service", "MainPID") + "/exe"); strings.Contains(exe, "deleted") {
				return fmt.Errorf("an adaptor with clients runs a program that was replaced")
			}
			return nil
		})
	})
	check.Is(t, "failed", "", strings.TrimSpace(h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "msrpc*")))
	h.works()
}

// An upgrade of Samba with its libraries, and refresh as msrpc-refresh.path
// starts it.
func TestUpgradeOfSambaKeepsSessions(t *testing.T) {
	h := boot(t).install().smbd()
	dir := h.mdssvc()
	dir = dir[:strings.LastIndexByte(dir, '/')]
	h.newClients(func() {
		s := h.sessions()
		h.replace(dir + "/rpcd_*")
		h.run("msrpcctl", "refresh")
		s.answered(3)
		h.works()
		if old := h.sh("pgrep -f 'rpcd_(classic|lsad)' | wc -l"); strings.TrimSpace(old) == "0" {
			t.Error("no rpcd runs")
		}
		s.kept()
	})
	h.eventually(func() error {
		if old := h.oldProcesses("rpcd_"); old != "" {
			return fmt.Errorf("rpcds run a program that was replaced: %s", old)
		}
		return nil
	})
}

func TestReplacedLibraryIsNoticed(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nWorkers=1\n")).install()
	w := h.ways()[0]
	check := h.hold(2, w)
	before := h.rpcds()
	lib := strings.TrimSpace(h.sh("awk '/ r-xp .*libtalloc/ {print $6; exit}' /proc/$(pgrep -o -x rpcd_winreg)/maps"))
	h.replace(lib)
	h.eventually(func() error {
		h.load(append([]string{"-n", "5"}, w.args...)...)
		if text := h.property("msrpc-worker-winreg@0.service", "StatusText"); !strings.Contains(text, lib+" was replaced") {
			return fmt.Errorf("%s was replaced, the worker says %s", lib, text)
		}
		return nil
	})
	if r := check(); r.Conns != 2 || r.Failed > 0 {
		t.Errorf("connections that were open: %+v", r)
	}
	h.eventually(func() error {
		h.load(append([]string{"-n", "5"}, w.args...)...)
		if old := strings.Fields(before)[0]; strings.Contains(" "+h.rpcds()+" ", " "+old+" ") {
			return fmt.Errorf("process %s runs", old)
		}
		return nil
	})
}

// TestChangedSettingsReachNewClients changes settings of workers while sessions
// are open.
func TestChangedSettingsReachNewClients(t *testing.T) {
	h := boot(t).install().smbd()
	conf := strings.ReplaceAll(h.sh("cat /etc/samba/smb.conf"), "\r", "")
	for _, tt := range []struct{ name, line, dropIn string }{
		{name: "netbios name", line: "netbios name = OTHER"},
		{name: "guest account", line: "guest account = daemon"},
		{name: "idle time", dropIn: "[Service]\nEnvironment=MSRPC_IDLE_SEC=7\n"},
		{name: "sandbox", dropIn: "[Service]\nLockPersonality=no\n"},
		{name: "ncalrpc dir", line: "ncalrpc dir = /run/samba/elsewhere"},
		{name: "directory of pipes", line: "external_rpc_pipe:socket_dir = /run/samba/pipes"},
		{name: "directory of locks", line: "lock directory = /run/samba/locks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := *h
			in.t = t
			w := in.ways()[1] // TCP stays where it is
			check := in.hold(6, w)
			before := strings.Fields(in.rpcds())
			if tt.line != "" {
				conf = strings.Replace(conf, "\n[public]", "\n\t"+tt.line+"\n[public]", 1)
				in.MustWrite(t, "/etc/samba/smb.conf", conf)
			} else {
				in.MustWrite(t, "/etc/systemd/system/msrpc-worker-winreg@.service.d/"+strings.ReplaceAll(tt.name, " ", "-")+".conf", tt.dropIn)
				in.run("systemctl", "daemon-reload")
			}
			_, meanwhile := in.loading(append([]string{"-n", "0", "-rate", "100", "-c", "8", "-d", "2s", "-timeout", "20s"}, w.args...)...)
			if out, rc := in.try("msrpcctl", "refresh"); rc != 0 {
				t.Errorf("refresh: exit status %d\n%s", rc, out)
			}
			if r := in.load(append([]string{"-n", "100", "-c", "8", "-timeout", "20s"}, w.args...)...); r.Conns != 100 || r.Failed > 0 {
				t.Errorf("new clients after refresh: %+v", r)
			}
			if r := meanwhile(); r.Failed > 0 || r.Conns < 50 {
				t.Errorf("clients meanwhile: %+v", r)
			}
			if r := check(); r.Conns != 6 || r.Failed > 0 {
				t.Errorf("sessions that were open: %+v", r)
			}
			in.eventually(func() error {
				now := " " + in.rpcds() + " "
				for _, pid := range before {
					if strings.Contains(now, " "+pid+" ") {
						return fmt.Errorf("process %s has the old settings", pid)
					}
				}
				return nil
			})
		})
	}
}
