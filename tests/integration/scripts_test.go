// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// What scripts of an rpcd leave running lives on when its worker ends, and ends
// with msrpc.target.

// withScripts boots a host whose print command and "add share command" go on in
// the background: the first until /srv/go is there, then the job is printed.
func withScripts(t *testing.T) *host {
	t.Helper()
	job := check.File(t, "testdata/printjob.py")
	h := boot(t,
		global("load printers = yes"), global("printcap name = /etc/printcap.test"),
		global("print command = /srv/print %s"), global("add share command = /srv/add-share"),
		file("/etc/printcap.test", "lp1|one\n"),
		file("/srv/print", "#!/bin/sh\n(while [ ! -e /srv/go ]; do sleep 0.1; done; cat \"$1\" >>/srv/out/job) </dev/null >/dev/null 2>&1 &\n"),
		global("lpq command = /srv/lpq"),
		file("/srv/add-share", "#!/bin/sh\nsetsid sleep 3210 &\nsetsid sh -c '(cd /; umask 0; exec sleep 3211 </dev/null >/dev/null 2>&1) &' &\n"),
		file("/srv/lpq", "#!/bin/sh\nmkdir /srv/out/lpq 2>/dev/null || exit 0\nsetsid sleep 3212 </dev/null >/dev/null 2>&1 &\n"),
		file("/srv/printjob.py", string(job)),
		func(o *sandboxOptions) {
			o.Files["/etc/samba/smb.conf"] += "\n[printers]\n\tpath = /var/spool/samba\n\tprintable = yes\n"
		})
	h.sh("mkdir -p /var/spool/samba /srv/out; chmod 1777 /var/spool/samba /srv/out")
	return h.install().smbd()
}

func (h *host) printJob() {
	h.t.Helper()
	h.run("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "enumprinters")
	h.run("python3", "/srv/printjob.py", "root", password, "lp1")
}

func (h *host) addShare() {
	h.t.Helper()
	h.try("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "netshareadd /srv/public added")
}

var printed = strings.Repeat("A", 20000)

// printing are the processes of the background print command, adding the two of
// the "add share command", of which one is a daemon (a second fork in a session of
// its own), asking that of the "lpq command", which samba-bgqd runs.
const (
	printing = "/bin/sh /srv/print"
	adding   = "sleep 321[01]"
	asking   = "sleep 3212"
)

// cgroups are the control groups of all processes of a command line.
func (h *host) cgroups(command string) []string {
	h.t.Helper()
	var groups []string
	out, _ := h.try("pgrep", "-f", "^"+command)
	for _, pid := range strings.Fields(out) {
		text, rc := h.try("sed", "-n", "s/^0:://p", "/proc/"+pid+"/cgroup")
		if text = strings.TrimSpace(text); rc == 0 && text != "" {
			groups = append(groups, text)
		}
	}
	return groups
}

// keptBelow waits until n processes of a command are all in scopes below the
// slice of an rpcd.
func (h *host) keptBelow(name, command string, n int) {
	h.t.Helper()
	scope := regexp.MustCompile(`^/msrpc\.slice/msrpc-` + name + `\.slice/msrpc-scripts-` + name + `-[^/]*\.scope$`)
	h.eventually(func() error {
		groups := h.cgroups(command)
		for _, g := range groups {
			if !scope.MatchString(g) {
				return fmt.Errorf("%s is in %s", command, g)
			}
		}
		if len(groups) != n {
			return fmt.Errorf("%d processes of %s, want %d: %v", len(groups), command, n, groups)
		}
		return nil
	})
}

func TestWhatScriptsLeaveRunningOutlivesTheWorker(t *testing.T) {
	h := withScripts(t)
	worker := func(name string) string { return "msrpc-worker-" + name + "@0.service" }
	pid := func(name string) string { return h.property(worker(name), "MainPID") }
	for i, end := range []struct {
		name string
		do   func(name string)
	}{
		{"restart", func(n string) { h.run("systemctl", "restart", worker(n)) }},
		{"stop", func(n string) { h.run("systemctl", "stop", worker(n)) }},
		{"SIGKILL of the adaptor", func(n string) { h.run("kill", "-KILL", pid(n)) }},
		{"SIGKILL of the rpcd", func(n string) { h.run("pkill", "-KILL", "-x", "rpcd_"+n) }},
		{"an upgrade of Samba", func(n string) {
			h.replace(strings.TrimSuffix(h.mdssvc(), "mdssvc") + n)
			h.run("msrpcctl", "refresh")
		}},
		{"SIGKILL of the adaptor of a hung rpcd", func(n string) {
			h.run("pkill", "-STOP", "-x", "rpcd_"+n)
			h.run("kill", "-KILL", pid(n))
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			h.addShare()
			before := h.childOf(worker("classic"))
			end.do("classic")
			h.keptBelow("classic", adding, 2*(i+1))
			h.eventually(func() error {
				if _, rc := h.try("test", "-d", "/proc/"+strconv.Itoa(before)); rc == 0 {
					return fmt.Errorf("rpcd %d lives on", before)
				}
				return nil
			})
		})
	}
	h.sh("echo >/srv/go")
	h.run("systemctl", "stop", "msrpc-scripts-classic-*.scope")
	h.noLeftOvers()
}

// childOf is the process of a worker beside its adaptor.
func (h *host) childOf(unit string) int {
	h.t.Helper()
	out := h.run("pgrep", "-P", h.property(unit, "MainPID"))
	n, err := strconv.Atoi(strings.Fields(out)[0])
	check.OK(h.t, err)
	return n
}

// noLeftOvers fails for what systemd says about processes that are not where it
// left them.
func (h *host) noLeftOvers() {
	h.t.Helper()
	for _, line := range strings.Split(h.journal("-o", "short"), "\n") {
		for _, bad := range []string{"remains running after", "left-over process", "cannot find the own control group"} {
			if strings.Contains(line, bad) {
				h.t.Error(line)
			}
		}
	}
}

// TestAPrintJobInTheBackgroundIsPrinted: the idle exit of the spoolss worker,
// and the end of samba-bgqd with it, cost no job.
func TestAPrintJobInTheBackgroundIsPrinted(t *testing.T) {
	h := withScripts(t)
	h.MustWrite(t, "/etc/msrpcd/rpcd.d/50-samba.conf.d/idle.conf", "[Rpcd]\nIdleSec=2\n")
	h.run("msrpcctl", "refresh")
	h.printJob()
	if n := len(h.cgroups(printing)); n == 0 {
		t.Fatal("the print command does not run")
	}
	h.eventually(func() error {
		if u := h.active("msrpc-worker-spoolss@*.service", "msrpc-samba-bgqd.service"); len(u) > 0 {
			return fmt.Errorf("%v are not idle", u)
		}
		return nil
	})
	h.keptBelow("spoolss", printing, 1)
	h.keptBelow("spoolss", asking, 1)
	status := h.run("systemctl", "status", "--no-pager", "--full", "msrpc-scripts-spoolss-*.scope")
	h.contains(status, "/srv/print")
	h.contains(h.run("systemctl", "show", "-P", "Conflicts", "msrpc-scripts-spoolss-*.scope"), "shutdown.target") // ends in a shutdown
	h.contains(h.journal("MSRPC_RPCD=spoolss", "-o", "cat"), "what scripts of msrpc-worker-spoolss@0.service left running goes on in")
	h.sh("echo >/srv/go")
	h.eventually(func() error {
		if out, _ := h.try("cat", "/srv/out/job"); out != printed {
			return fmt.Errorf("%d bytes were printed, want %d", len(out), len(printed))
		}
		return nil
	})
	h.run("pkill", "-f", "^"+asking)
	h.eventually(func() error {
		if u := h.active("msrpc-scripts-*"); len(u) > 0 {
			return fmt.Errorf("%v are still there", u)
		}
		return nil
	})
	h.noLeftOvers()
}

func TestWhatScriptsLeftRunningEndsWithTheTarget(t *testing.T) {
	h := withScripts(t)
	gone := func() {
		t.Helper()
		h.eventually(func() error {
			if g := h.cgroups("(" + adding + "|" + asking + "|" + printing + ")"); len(g) > 0 {
				return fmt.Errorf("processes are left in %v", g)
			}
			if u := h.active("msrpc-scripts-*.scope"); len(u) > 0 {
				return fmt.Errorf("%v are active", u)
			}
			return nil
		})
	}
	for _, verb := range []string{"restart", "stop"} {
		t.Run(verb, func(t *testing.T) {
			h.addShare()
			h.run("systemctl", "restart", "msrpc-worker-classic@0.service") // one is kept already
			h.addShare()                                                    // one is in the worker still
			h.printJob()
			check.Is(t, "processes are left running", 4, len(h.cgroups(adding)))
			h.run("systemctl", verb, "msrpc.target")
			gone()
		})
	}
	h.contains(h.journal("MSRPC_RPCD=classic", "-o", "cat"), "left running ends with msrpc.target")
	h.noLeftOvers()
}
