// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

// multiUser boots as a machine does on which msrpc.target is enabled; what else
// the distribution would start is left out.
func multiUser(o *sandboxOptions) {
	o.Unit = "multi-user.target"
	o.Setup += "systemd-sysusers\n" + enable("multi-user.target", "/usr/lib/systemd/system/msrpc.target")
}

// enable is the shell command that lets target want a unit.
func enable(target, path string) string {
	dir := "/etc/systemd/system/" + target + ".wants"
	return "mkdir -p " + dir + " && ln -s " + path + " " + dir + "\n"
}

func (h *host) servesAfterBoot() {
	h.t.Helper()
	h.eventually(func() error {
		if n := len(h.active("msrpc-np-*.socket", "msrpc-tcp-*.socket")); n < 6 {
			return fmt.Errorf("%d listener units are active", n)
		}
		return nil
	})
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		h.t.Errorf("%+v", r)
	}
	check.Is(h.t, "failed", "", strings.TrimSpace(h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "msrpc*")))
}

func TestBootWithoutCatalogue(t *testing.T) {
	h := boot(t, multiUser)
	h.servesAfterBoot()
	h.contains(h.journal("-u", "msrpc-refresh.service", "-o", "cat"), "rpcd")
	if _, err := os.Stat(h.Path("/var/lib/msrpcd/catalogue.db")); err != nil {
		t.Error(err)
	}
}

func TestBootWithCatalogue(t *testing.T) {
	h := boot(t, multiUser, func(o *sandboxOptions) {
		o.Setup += "systemd-tmpfiles --create --prefix=/var/lib/msrpcd\nmsrpcctl refresh\n"
	})
	h.servesAfterBoot()
	if s := h.property("msrpc-refresh.service", "ActiveEnterTimestampMonotonic"); s != "0" {
		t.Error("msrpc-refresh.service ran although there was a catalogue")
	}
}

// TestVarIsMountedLate has the catalogue on a file system that is not there yet
// when the generators run.
func TestVarIsMountedLate(t *testing.T) {
	h := boot(t, multiUser, func(o *sandboxOptions) {
		o.Setup += "systemd-tmpfiles --create --prefix=/var/lib/msrpcd\nmsrpcctl refresh\n" +
			"mkdir /srv/state && mv /var/lib/msrpcd/* /srv/state/\n"
		o.Files["/etc/systemd/system/var-lib-msrpcd.mount"] = "[Unit]\nBefore=local-fs.target\n[Mount]\nWhat=/srv/state\nWhere=/var/lib/msrpcd\nType=none\nOptions=bind\n"
		o.Setup += enable("local-fs.target", "/etc/systemd/system/var-lib-msrpcd.mount")
	})
	h.servesAfterBoot()
	if _, err := os.Stat(h.Path("/srv/state/catalogue.db")); err != nil {
		t.Error(err)
	}
}

func TestUpgradeUnderRunningWorkers(t *testing.T) {
	h := boot(t, oneWorker).install()
	rpcd := strings.TrimSpace(h.sh("ls /usr/libexec/samba/rpcd_winreg /usr/lib/*/samba/rpcd_winreg 2>/dev/null | head -n 1"))
	held := h.dial(winregNcalrpc)
	group := bindOn(t, held)
	worker := h.statusFile("winreg").Worker(0)
	old := worker.ChildPID.Load()
	h.sh("cp -p " + rpcd + " " + rpcd + ".new; mv " + rpcd + ".new " + rpcd)
	member := h.dial(winregNcalrpc)
	check.Is(t, "a client of a held group: group", group, bindTo(t, member, group))
	h.eventually(func() error { // a busy adaptor looks at the program a moment later
		if log := h.journal("-u", "msrpc-worker-winreg@0.service", "-o", "cat"); !strings.Contains(log, "replaced") {
			return fmt.Errorf("no word of the replaced program in:\n%s", log)
		}
		return nil
	})
	if worker.ChildPID.Load() != old {
		t.Error("the old rpcd was ended under its client")
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("a new client: %+v", r)
	}
	held.Close()
	member.Close()
	h.eventually(func() error {
		if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
			return fmt.Errorf("%+v", r)
		}
		pid := worker.ChildPID.Load()
		exe, err := os.Readlink(h.Path(fmt.Sprintf("/proc/%d/exe", pid)))
		if err != nil || pid == old || strings.Contains(exe, "deleted") {
			return fmt.Errorf("worker 0 runs %d %s, %v; want the new rpcd", pid, exe, err)
		}
		return nil
	})
}

// TestFirstCallWithWinbind: looking up groups at the start of a unit must not
// wait for winbindd, which itself waits for a pipe that is being started.
func TestFirstCallWithWinbind(t *testing.T) {
	h := boot(t, file("/etc/nsswitch.conf", "passwd: files winbind\ngroup: files winbind\n"), global("idmap config * : range = 100000-199999"))
	h.install()
	h.run("systemctl", "start", "winbind.service")
	h.run("wbinfo", "-p")
	h.smbd()
	for _, path := range []string{"/run/samba/ncalrpc/rpcd_winreg", "/run/samba/ncalrpc/rpcd_lsad"} {
		c, err := net.Dial("unix", h.Path(path))
		check.OK(t, err)
		start := time.Now()
		c.SetDeadline(start.Add(30 * time.Second))
		c.Write(winregBind(0))
		if _, err := answer(c); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: the first call took %v", path, took)
		}
		c.Close()
	}
	h.works()
}

func TestOtherDirectories(t *testing.T) {
	dirs := "/srv/s/lock"
	h := boot(t,
		func(o *sandboxOptions) {
			o.Files["/srv/smb.conf"] = o.Files["/etc/samba/smb.conf"]
			delete(o.Files, "/etc/samba/smb.conf")
		},
		func(o *sandboxOptions) {
			o.Files["/srv/smb.conf"] = strings.Replace(o.Files["/srv/smb.conf"], "\n[public]",
				"\tlock directory = "+dirs+"\n\tstate directory = /srv/s/state\n\tprivate dir = /srv/s/private\n"+
					"\tncalrpc dir = /srv/s/rpc\n\trpc server dynamic port range = 50000-50100\n"+
					"\tinterfaces = 127.0.0.1/8\n\tbind interfaces only = yes\n\n[public]", 1)
			o.Files["/etc/msrpcd/msrpcd.conf"] = "[Msrpcd]\nSambaConfig=/srv/smb.conf\n"
			o.Setup += "rm -f /etc/samba/smb.conf; mkdir -p /srv/s/state /srv/s/private " + dirs + "\n"
		}).install()
	if r := h.load("-net", "unix", "-addr", "/srv/s/rpc/rpcd_winreg"); r.Conns != 1 {
		t.Errorf("ncalrpc: %+v", r)
	}
	port := h.port("winreg")
	if !strings.HasPrefix(port, "50") {
		t.Errorf("port %s is not in smb.conf's range", port)
	}
	if r := h.load("-addr", "127.0.0.1:"+port); r.Conns != 1 {
		t.Errorf("tcp: %+v", r)
	}
	if out := h.sh("ss -Hltn | awk '{print $4}'"); strings.Contains(out, "*:50") || strings.Contains(out, "0.0.0.0:50") {
		t.Errorf("bind interfaces only is not respected: %s", out)
	}
	if _, err := os.Stat(h.Path("/run/samba/ncalrpc")); err == nil {
		t.Error("the default directory was made")
	}
}
