// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/host/journal"
	"msrpcd/tests/tools/check"
)

// What a subverted broker or native rpcd can do: tests/tools/forge runs as the main
// program of its unit, so in its sandbox and with its descriptors.

// echoFile gives rpcecho listeners.
var echoFile = file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=np tcp ncalrpc\nPort=50910\n")

// subverted are the units that are tried, each with the port of its listener, and
// the directory that is its own.
func (h *host) subverted() map[string]string {
	return map[string]string{"msrpc-broker@winreg.service": h.port("winreg"), "msrpc-worker-rpcecho@0.service": "50910"}
}

func rpcdOf(unit string) string {
	if strings.HasPrefix(unit, "msrpc-broker@") {
		return "winreg"
	}
	return "rpcecho"
}

// subvert runs forge in the place of a unit's main program and returns what each
// attempt came to. Clients are connected to port meanwhile.
func (h *host) subvert(unit, port string, tries []string) map[string]string {
	h.t.Helper()
	h.run("install", "-D", "-m", "0755", "/tools/forge", "/usr/local/bin/forge")
	h.MustWrite(h.t, "/run/forge/in", strings.Join(tries, "\n")+"\n")
	h.MustWrite(h.t, "/run/forge/out", "")
	h.MustWrite(h.t, "/run/systemd/system/"+unit+".d/99-forge.conf", `[Service]
Type=exec
Restart=no
ExecStart=
ExecStart=/usr/local/bin/forge -
BindReadOnlyPaths=/usr/local/bin
StandardInput=file:/run/forge/in
StandardOutput=append:/run/forge/out
StandardError=journal
`)
	h.sh("systemctl daemon-reload; systemctl stop " + unit + "; systemctl start --no-block " + unit)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clients := h.Command(ctx, "bash", "-c", `for i in 1 2 3 4 5 6 7 8; do exec {fd}<>/dev/tcp/127.0.0.1/`+port+`; done; exec sleep 60`)
	check.OK(h.t, clients.Start())
	defer clients.Wait()
	defer cancel()
	results := map[string]string{}
	h.eventually(func() error {
		out, err := h.ReadFile("/run/forge/out")
		if err == nil {
			err = json.NewDecoder(strings.NewReader(string(out))).Decode(&results)
		}
		return err
	})
	// Clients that still wait start it again, which may cancel the stop.
	h.sh("rm -r /run/systemd/system/" + unit + ".d; systemctl daemon-reload; systemctl stop " + unit + " || :")
	if len(results) != len(tries) {
		h.t.Errorf("%s: %d results of %d attempts", unit, len(results), len(tries))
	}
	return results
}

// refusedBut fails for each attempt that worked but for those that may.
func refusedBut(t *testing.T, unit string, results map[string]string, may ...string) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(results)) {
		if worked := results[what] == ""; worked != slices.Contains(may, what) {
			t.Errorf("%s: %s: %q", unit, what, results[what])
		}
	}
}

// main is the main process of a unit that runs, which is served by a program of
// that name.
func (h *host) mainProcess(unit, program string) (pid string) {
	h.t.Helper()
	h.eventually(func() error {
		pid = h.property(unit, "MainPID")
		if comm, err := h.ReadFile("/proc/" + pid + "/comm"); err != nil || !strings.HasPrefix(string(comm), program) {
			return fmt.Errorf("process %s of %s is %q, %v", pid, unit, comm, err)
		}
		return nil
	})
	return pid
}

// onProcess is all that is tried with another process.
func (h *host) onProcess(pid string) (tries []string) {
	address := strings.TrimSpace(h.sh("awk '$2 ~ /^rw/ {split($1, a, \"-\"); print a[1]; exit}' /proc/" + pid + "/maps"))
	for _, verb := range strings.Fields("vm-read vm-write") {
		tries = append(tries, verb+" "+pid+" "+address)
	}
	for _, verb := range strings.Fields("ptrace getfd pidfd-kill kcmp kill tkill tgkill sigqueue prlimit affinity scheduler robust") {
		tries = append(tries, verb+" "+pid)
	}
	dir := "/proc/" + pid
	tries = append(tries, attempts("read", dir+"/environ", dir+"/maps", dir+"/auxv", dir+"/exe", dir+"/status", dir+"/fd/0")...)
	tries = append(tries, attempts("write", dir+"/mem", dir+"/oom_score_adj")...)
	return append(tries, attempts("list", dir+"/root", dir+"/cwd", dir+"/fd", dir+"/root/run/msrpc")...)
}

// TestASubvertedProcessReachesNoOtherProcess: others have its account.
func TestASubvertedProcessReachesNoOtherProcess(t *testing.T) {
	h := boot(t, echoFile).install()
	idle := h.dial("/run/samba/ncalrpc/rpcd_lsad") // its broker runs while he waits
	defer idle.Close()
	_ = h.mapped(winregInterface)
	victims := map[string]string{"msrpc-broker@lsad.service": "msrpc-broker", mapperUnit: "rpcd_epmapper"}
	pids := map[string]string{}
	var tries []string
	for unit, program := range victims {
		pids[unit] = h.mainProcess(unit, program)
		tries = append(tries, h.onProcess(pids[unit])...)
	}
	tries = append(tries, "see", "kill-all", "priority", "confine", "owner "+pids[mapperUnit], "notify MAINPID="+pids[mapperUnit])
	for unit, port := range h.subverted() {
		refusedBut(t, unit, h.subvert(unit, port, tries), "confine", "notify MAINPID="+pids[mapperUnit])
	}
	for unit, pid := range pids {
		if now := h.property(unit, "MainPID"); now != pid {
			t.Errorf("%s: process %s is %s now", unit, pid, now)
		}
	}
	if out := h.mapped(winregInterface); out.Status != 0 {
		t.Errorf("the mapper answers %v", out.Status)
	}
}

// TestAttemptsOnOthersWorkWithoutTheSandbox: what is tried above is what works
// between two processes of one account.
func TestAttemptsOnOthersWorkWithoutTheSandbox(t *testing.T) {
	h := boot(t).install()
	h.run("install", "-D", "-m", "0755", "/tools/forge", "/usr/local/bin/forge")
	h.run("mkdir", "-p", "/run/msrpc")
	h.run("systemd-run", "-q", "--unit=victim", "-pUser=msrpc", "-pGroup=root", "sleep", "1000")
	pid := h.mainProcess("victim.service", "sleep")
	tries := append(h.onProcess(pid), "see", "priority", "owner "+pid)
	var results map[string]string
	out := h.run(append([]string{"systemd-run", "-q", "--wait", "--pipe", "-pUser=msrpc", "-pGroup=root", "/usr/local/bin/forge"}, tries...)...)
	check.OK(t, json.Unmarshal([]byte(out), &results))
	refusedBut(t, "victim.service", results, tries...)
}

// TestASubvertedProcessReachesNoFile: of the host, of other rpcds, of its own.
func TestASubvertedProcessReachesNoFile(t *testing.T) {
	h := boot(t, echoFile).install().smbd()
	h.sh(`install -d -m 0777 /srv/open
		chgrp msrpc-rpcd /etc/msrpcd; chmod 2775 /etc/msrpcd; install -m 0640 /dev/null /etc/key`)
	h.works()
	received := h.winreg().Worker(0).Received.Load()
	for unit, port := range h.subverted() {
		own := "/run/msrpc/" + rpcdOf(unit)
		tries := attempts("send", "/run/msrpc/classic/inbox-0", "/run/msrpc/lsad/inbox-0", "/run/msrpc/mdssvc/inbox-0")
		tries = append(tries, attempts("write", "/run/msrpc/lsad/status", "/var/lib/msrpcd/catalogue.db", "/etc/msrpcd/msrpcd.conf", "/dev/ptmx", "/dev/kmsg")...)
		tries = append(tries, attempts("read", "/run/msrpc/lsad/status", "/etc/key", "/etc/shadow", "/etc/sudoers", "/etc/samba/smb.conf", "/dev/ptmx", "/proc/kallsyms", "/proc/sys/kernel/osrelease", "/sys/kernel/notes")...)
		tries = append(tries, attempts("list", "/run/samba", "/run/dbus", "/run/user", "/root", "/srv", "/var/log", "/dev/shm", "/dev/pts")...)
		tries = append(tries, attempts("connect", winregPipe, winregNcalrpc, "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/journal/stdout")...)
		dirs := append(slices.Clone(ourDirs), "/etc/msrpcd", "/", "/run", "/etc", "/usr/bin", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/srv/open", own)
		tries = append(tries, attempts("create symlink mkdir", inEach(dirs, "inbox-9")...)...)
		tries = append(tries, attempts("remove rename", append([]string{own + "/inbox-0", own + "/status"}, ourFiles...)...)...)
		tries = append(tries, "group-files /usr", "writable "+own, "grow "+own+"/status", "shrink "+own+"/status")
		slices.Sort(tries)
		tries = append(append(slices.Compact(tries), "confine"), attempts("empty punch remove-page open-up", own+"/status")...)
		may := []string{"confine"}
		if rpcdOf(unit) != "winreg" {
			tries = append(tries, "send /run/msrpc/winreg/inbox-0")
		} else {
			tries, may = append(tries, "send "+own+"/inbox-0"), append(may, "send "+own+"/inbox-0")
		}
		refusedBut(t, unit, h.subvert(unit, port, tries), may...)
	}
	h.eventually(func() error { // its own worker has looked at what the broker sent
		if log := h.journal("-u", "msrpc-worker-winreg@0.service", "MESSAGE_ID="+journal.IDHandoverRefused, "-o", "cat"); !strings.Contains(log, "hand-over refused") {
			return fmt.Errorf("the forged hand-over is not refused: %s", log)
		}
		return nil
	})
	check.Is(t, "the worker of winreg datagrams", 1, h.winreg().Worker(0).Received.Load()-received)
	h.works()
}

// TestASubvertedWorkerEndsNoOtherProcess: its broker and another worker have the
// status file mapped.
func TestASubvertedWorkerEndsNoOtherProcess(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=tcp ncalrpc\nPort=50910\nActivation=broker\nWorkers=2\n")).install()
	const broker, other = "msrpc-broker@rpcecho.service", "msrpc-worker-rpcecho@1.service"
	if r := h.load("-net", "unix", "-addr", "/run/samba/ncalrpc/rpcd_rpcecho", "-iface", echoID, "-n", "20", "-c", "8"); r.Conns != 20 {
		t.Fatalf("%+v", r)
	}
	h.run("systemctl", "start", other)
	pids := h.mainProcess(broker, "msrpc-broker") + h.mainProcess(other, "rpcd_rpcecho")
	results := h.subvert("msrpc-worker-rpcecho@0.service", "50910", append([]string{"confine"}, attempts("empty shrink punch remove-page grow open-up", "/run/msrpc/rpcecho/status")...))
	refusedBut(t, "msrpc-worker-rpcecho@0.service", results, "confine")
	check.Is(t, "processes were", pids, h.mainProcess(broker, "msrpc-broker")+h.mainProcess(other, "rpcd_rpcecho"))
	if p := h.ping("ncalrpc:[rpcd_rpcecho]", echoID+"/1.0"); p.Answered != 1 {
		t.Errorf("%+v", p)
	}
}

// TestASubvertedProcessHasNoNetwork: neither one of its own nor that of the host
// through a connection that it was given.
func TestASubvertedProcessHasNoNetwork(t *testing.T) {
	h := boot(t, echoFile).install()
	_ = h.mapped(winregInterface) // 135 is what could be reached
	h.run("systemd-run", "-q", "--unit=abstract", "--service-type=notify", "python3", "-c", `
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("\0of-the-host")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
s.recv(10)`)
	tries := attempts("socket", "2", "10", "16", "17", "40", "38", "21")
	tries = append(tries, "abstract of-the-host", "reconnect 135", "fast-open 135", "relisten", "rebind 50999", "unlisten")
	for unit, port := range h.subverted() {
		results := h.subvert(unit, port, tries)
		refusedBut(t, unit, results)
		if why := results["reconnect 135"]; why != "operation not permitted" {
			t.Errorf("%s: reconnect: %s", unit, why)
		}
	}
	if len(h.active("abstract.service")) == 0 {
		t.Error("an abstract socket of the host was reached")
	}
}

// TestASubvertedProcessHasNoMoreOfTheKernel than its work needs.
func TestASubvertedProcessHasNoMoreOfTheKernel(t *testing.T) {
	h := boot(t, echoFile).install()
	tries := strings.Fields("new-user wait perf io_uring userfaultfd keyring shm semaphore queue mqueue executable personality")
	for unit, port := range h.subverted() {
		refusedBut(t, unit, h.subvert(unit, port, tries))
	}
}
