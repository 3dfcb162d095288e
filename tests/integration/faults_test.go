// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"msrpcd/pkg/conn/status"
)

// The faults of TestFaults: each is something that happens to a host while
// clients come.

const brokerUnit = "msrpc-broker@winreg.service"

// winreg is the status file of the rpcd that the load calls, mapped once.
func (h *host) winreg() *status.File {
	h.t.Helper()
	if h.winregStatus == nil {
		h.winregStatus = h.statusFile("winreg")
	}
	return h.winregStatus
}

func brokerRestart(h *host, l *steadyLoad) {
	for range times(10, 100) {
		h.run("systemctl", "restart", brokerUnit)
		l.flow(20)
	}
}

func brokerKill(h *host, l *steadyLoad) {
	f := h.winreg()
	for range times(10, 100) {
		pid := f.Broker().PID.Load()
		h.run("systemctl", "kill", "-s", "KILL", brokerUnit)
		h.eventually(func() error {
			if now := f.Broker().PID.Load(); now == pid || !f.BrokerAlive() {
				return fmt.Errorf("the broker is not back")
			}
			return nil
		})
		l.flow(uint64(times(150, 300))) // those who came meanwhile, and as many more
	}
}

func workerRestart(h *host, l *steadyLoad) {
	for i := range times(5, 100) {
		h.run("systemctl", "restart", fmt.Sprintf("msrpc-worker-winreg@%d.service", i%5))
		l.flow(20)
	}
}

func idleWorkerKill(h *host, l *steadyLoad) {
	for range times(10, 100) {
		h.killIdleWorker()
		l.flow(20)
	}
}

// killIdleWorker kills a worker of winreg, and its rpcd, that has no client:
// its processes are frozen while it is looked at. What comes to its inbox then
// is not lost.
func (h *host) killIdleWorker() {
	h.t.Helper()
	f := h.winreg()
	index := 0
	h.eventually(func() error {
		index = (index + 1) % 5
		w := f.Worker(index)
		if !f.WorkerAlive(index) || w.Flags.Load()&status.Ready == 0 || w.Open() > 0 {
			return fmt.Errorf("all workers have clients")
		}
		group := h.property(fmt.Sprintf("msrpc-worker-winreg@%d.service", index), "ControlGroup")
		if group == "" { // it ended just now; without a name it would be the box's own group
			return fmt.Errorf("worker %d has ended", index)
		}
		group = h.Path("/sys/fs/cgroup" + group)
		control := func(file, value string) error { return os.WriteFile(group+"/"+file, []byte(value), 0) }
		if err := control("cgroup.freeze", "1"); err != nil {
			return err // it ended just now
		}
		h.eventually(func() error {
			if b, err := os.ReadFile(group + "/cgroup.events"); err != nil || !strings.Contains(string(b), "frozen 1") {
				return fmt.Errorf("not frozen: %s, %v", b, err)
			}
			return nil
		})
		if w.Open() > 0 {
			return errors.Join(fmt.Errorf("all workers have clients"), control("cgroup.freeze", "0"))
		}
		// What systemd starts in this group after them must not be frozen.
		return errors.Join(control("cgroup.kill", "1"), control("cgroup.freeze", "0"))
	})
}

func restartAll(h *host, l *steadyLoad) {
	for range times(3, 20) {
		h.run("systemctl", "restart", "msrpc-broker@*.service", "msrpc-worker-*.service", "msrpc-refresh.path")
		l.flow(50)
	}
}

func daemonReload(h *host, l *steadyLoad) {
	for range times(4, 50) {
		h.run("systemctl", "daemon-reload")
		l.flow(10)
	}
}

func daemonReexec(h *host, l *steadyLoad) {
	for range times(3, 30) {
		h.run("systemctl", "daemon-reexec")
		l.flow(10)
	}
}

const mdssvcAside = "/root/rpcd_mdssvc"

// mdssvc is an rpcd that nobody calls.
func (h *host) mdssvc() string {
	return strings.TrimSpace(h.sh("ls /usr/libexec/samba/rpcd_mdssvc /usr/lib/*/samba/rpcd_mdssvc 2>/dev/null | head -n 1"))
}

func refreshRemovesAndAdds(h *host, l *steadyLoad) {
	rpcd := h.mdssvc()
	for range times(1, 10) {
		h.run("mv", rpcd, mdssvcAside)
		h.run("msrpcctl", "refresh")
		if units := h.active("msrpc-*-mdssvc.socket"); len(units) > 0 {
			h.t.Errorf("the listeners of the removed rpcd are active: %v", units)
		}
		h.run("mv", mdssvcAside, rpcd)
		h.run("msrpcctl", "refresh")
		if units := h.active("msrpc-*-mdssvc.socket"); len(units) == 0 {
			h.t.Error("the added rpcd has no listener")
		}
		l.flow(20)
	}
}

// replaceOurs does what a package manager and our packages' scripts do.
func replaceOurs(h *host, l *steadyLoad) {
	for range times(1, 10) {
		h.sh(`for f in /usr/libexec/msrpcd/* /usr/bin/msrpcctl; do cp -p "$f" "$f.new"; mv -f "$f.new" "$f"; done`)
		h.run("systemctl", "daemon-reload")
		h.run("msrpcctl", "refresh")
		h.run("systemctl", "try-restart", "msrpc-broker@*.service", "msrpc-worker-*.service")
		l.flow(50)
	}
}

func replaceSambas(h *host, l *steadyLoad) {
	dir := h.mdssvc()
	dir = dir[:strings.LastIndexByte(dir, '/')]
	for range times(1, 10) {
		h.sh(`for f in ` + dir + `/rpcd_*; do cp "$f" "$f.new"; mv -f "$f.new" "$f"; done`)
		l.flow(50)
		h.run("msrpcctl", "refresh")
		l.flow(50)
	}
}

// crashLoop lets workers fail at each start. Who was given to one waits.
func crashLoop(h *host, l *steadyLoad) {
	const dropIn = "/run/systemd/system/msrpc-worker-winreg@.service.d/crash.conf"
	mend := func() {
		h.run("rm", "-f", dropIn)
		h.run("systemctl", "daemon-reload")
	}
	h.t.Cleanup(mend) // for the faults that follow
	for range times(1, 5) {
		h.MustWrite(h.t, dropIn, "[Service]\nExecStartPre=/bin/false\n")
		h.run("systemctl", "daemon-reload")
		for range 3 {
			h.killIdleWorker()
		}
		h.eventually(func() error {
			var failures int
			for i := range 5 {
				var n int
				fmt.Sscan(h.property(fmt.Sprintf("msrpc-worker-winreg@%d.service", i), "NRestarts"), &n)
				failures += n
			}
			if failures < 12 {
				return fmt.Errorf("only %d restarts", failures)
			}
			return nil
		})
		mend()
		l.flow(100)
	}
}

// fullInbox stops all workers until their inboxes are full.
func fullInbox(h *host, l *steadyLoad) {
	const n = 3500 // five queues of 512 and some more
	resume := func() { h.run("systemctl", "kill", "-s", "CONT", "msrpc-worker-winreg@*.service") }
	h.t.Cleanup(resume)
	for i := range times(1, 5) {
		h.run("systemctl", "kill", "-s", "STOP", "msrpc-worker-winreg@*.service")
		_, burst := h.loading("-net", "unix", "-addr", winregNcalrpc, "-c", fmt.Sprint(n), "-n", fmt.Sprint(n), "-timeout", "60s")
		h.eventually(func() error {
			if n := h.winreg().Broker().Parked.Load(); n < 200 {
				return fmt.Errorf("%d connections wait at the broker", n)
			}
			return nil
		})
		resume()
		l.more[fmt.Sprint("burst ", i)] = burst()
		l.flow(100)
	}
}

func slowLoris(h *host, l *steadyLoad) {
	_, tcp := h.loading("-addr", "127.0.0.1:"+h.port("winreg"), "-c", "200", "-n", "200", "-bytewise", "-pause", "60ms")
	_, local := h.loading("-net", "unix", "-addr", winregNcalrpc, "-c", "200", "-n", "200", "-bytewise", "-pause", "60ms")
	l.more["slow ones, tcp"], l.more["slow ones, ncalrpc"] = tcp(), local()
}

// catalogueOn lets refresh fail for what is mounted on the catalogue's directory.
func catalogueOn(h *host, l *steadyLoad, mount string) {
	rpcd := h.mdssvc()
	h.sh(mount)
	h.run("mv", rpcd, mdssvcAside)
	if out, rc := h.try("msrpcctl", "refresh"); rc == 0 || !strings.Contains(out, "/var/lib/msrpcd") {
		h.t.Errorf("refresh: exit status %d, want an error that names the directory:\n%s", rc, out)
	}
	h.run("systemctl", "daemon-reload") // the generator reads the last good one
	h.contains(h.run("msrpcctl", "list"), "winreg")
	l.flow(50)
	h.run("mv", mdssvcAside, rpcd)
	h.run("umount", "/var/lib/msrpcd")
	h.run("msrpcctl", "refresh")
	l.flow(50)
}

func fullDisk(h *host, l *steadyLoad) {
	catalogueOn(h, l, `cp -a /var/lib/msrpcd /tmp/catalogue
		mount -t tmpfs -o mode=755,size=256k tmpfs /var/lib/msrpcd
		cp -a /tmp/catalogue/. /var/lib/msrpcd/; rm -r /tmp/catalogue
		! cat /dev/zero >/var/lib/msrpcd/full`)
}

func readOnlyVar(h *host, l *steadyLoad) {
	catalogueOn(h, l, `mount --bind /var/lib/msrpcd /var/lib/msrpcd
		mount -o remount,bind,ro /var/lib/msrpcd`)
}

// refreshKill kills a refresh that has something to do, later each time.
func refreshKill(h *host, l *steadyLoad) {
	rpcd := h.mdssvc()
	n := times(4, 40)
	for i := range n {
		if i%2 == 0 {
			h.run("mv", rpcd, mdssvcAside)
		} else {
			h.run("mv", mdssvcAside, rpcd)
		}
		h.try("timeout", "-s", "KILL", fmt.Sprintf("%.3f", 0.8*float64(i+1)/float64(n)), "msrpcctl", "refresh")
		h.contains(h.run("msrpcctl", "list"), "winreg")
	}
	h.run("msrpcctl", "refresh")
	h.try("systemctl", "reset-failed") // what was killed before counts as restarts
	h.fine()
	l.flow(50)
}
