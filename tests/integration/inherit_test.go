// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// What an rpcd and its scripts inherit is what they inherit from a
// samba-dcerpcd that smbd starts; each difference is listed here.

// wanted are the differences, by the name of the attribute. A pattern stands for
// what may be there with msrpcd.
var wanted = map[string]struct{ ours, why string }{
	"CapEff":       {`.*`, "the unit takes away what no rpcd needs"},
	"CapPrm":       {`.*`, "as CapEff"},
	"CapBnd":       {`.*`, "as CapEff"},
	"Seccomp":      {`2`, "the unit filters system calls"},
	"filters":      {`[0-9]+`, "as Seccomp"},
	"group leader": {`yes`, "signals to the group of an rpcd do not reach the adaptor"},
	"fd 1":         {`socket`, "what is printed goes to the journal, not to /dev/null"},
	"SigIgn":       {`000000000000[13]000`, "smbd ignores SIGALRM and two of the C library, not so samba-dcerpcd alone; rpcd_spoolss ignores SIGALRM itself"},
	"socket:":      {`[0-9]+`, "of rpcds: connections to each other at that moment; of scripts: the copy of fd 1 that sh makes"},
	"/dev/null":    {``, "the copy of fd 1 that sh makes"},
	"cwd":          {`/`, "not where smbd happens to be, as from samba-dcerpcd alone"},
}

// wantedEnv are variables that only one of them has.
var wantedEnv = map[string]string{
	"INVOCATION_ID":         "of the adaptor's unit, which logs with it",
	"JOURNAL_STREAM":        "other streams",
	"NOTIFY_SOCKET":         "is the adaptor's: an rpcd must not talk for the unit",
	"PIDFILE":               "of smbd.service",
	"SYSTEMD_EXEC_PID":      "of the adaptor",
	"MANAGERPID":            "of systemd",
	"_NO_WINBINDD":          "smbd switches winbind off while it starts",
	"DAEMON_OPTS":           "of smbd.service",
	"SMBDOPTIONS":           "of smbd.service",
	"MEMORY_PRESSURE_WATCH": "of each unit", "MEMORY_PRESSURE_WRITE": "of each unit",
	"PWD": "follows cwd",
}

// dump writes attributes of process $1 to stdout, one a line as NAME=VALUE.
const dump = `#!/bin/sh
p=/proc/$1
for f in Umask SigBlk SigIgn CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Groups THP_enabled Speculation_Store_Bypass SpeculationIndirectBranch Cpus_allowed_list Mems_allowed_list; do sed -n "s/^$f:[ 	]*/$f=/p" $p/status; done
sed -n 's/^Seccomp_filters:[ 	]*/filters=/p' $p/status
sed 1d $p/limits | sed 's/  */ /g; s/^Max \([a-z ]*\) \([0-9u].*\)/limit \1=\2/'
for f in oom_score_adj timerslack_ns personality loginuid coredump_filter; do echo "$f=$(cat $p/$f 2>/dev/null)"; done
echo "cwd=$(readlink $p/cwd)"; echo "root=$(readlink $p/root)"
set -- $1 $(sed 's/.*) //' $p/stat)
[ "$1" = "$4" ] && echo "group leader=yes" || echo "group leader=no"
[ "$1" = "$5" ] && echo "session leader=yes" || echo "session leader=no"
echo "tty=$6"; shift 16; echo "priority=$1 $2 $3"
echo "io=$(ionice -p ${p#/proc/})"; echo "sched=$(chrt -p ${p#/proc/} | sed 's/.*: //' | tr '\n' ' ')"
for n in mnt pid net ipc uts user cgroup; do echo "namespace $n=$([ "$(readlink $p/ns/$n)" = "$(readlink /proc/1/ns/$n)" ] && echo "of systemd")"; done
for f in 0 1 2; do echo "fd $f=$(readlink $p/fd/$f | sed 's/:.*//')"; done
for f in $p/fd/*; do n=${f##*/}; [ $n -gt 2 ] && readlink $f; done | sed 's/\[[0-9]*\]//; s/msg.lock.*/msg.lock/; s/.*log\..*/log file/' | sort | uniq -c | sed 's/ *\([0-9]*\) \(.*\)/\2=\1/'
tr '\0' '\n' <$p/environ | sed 's/^/env /'
`

// self tells what only the process itself, a script's, is told by the kernel. Of the
// session keyring it is whose it is.
const self = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, number in ("dumpable", 3), ("keep capabilities", 7), ("securebits", 27), ("machine check", 34), ("transparent huge pages", 42), ("io flusher", 58):
    print("%s=%d" % (name, libc.prctl(number, 0, 0, 0, 0)))
for name, number in ("parent's death", 2), ("subreaper", 37):
    value = ctypes.c_int(-1)
    libc.prctl(number, ctypes.byref(value), 0, 0, 0)
    print("%s=%d" % (name, value.value))
text = ctypes.create_string_buffer(200)
keyctl = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
libc.syscall(keyctl, 6, -3, text, 200)
print("session keyring=" + text.value.decode())
print("affinity=%s" % sorted(os.sched_getaffinity(0)))
`

// attributes parses a dump.
func attributes(text string) map[string]string {
	a := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			a[k] = strings.TrimSpace(v)
		}
	}
	return a
}

// inherited are the attributes of two rpcds and of scripts of rpcds.
func (h *host) inherited(scripts ...string) map[string]map[string]string {
	h.t.Helper()
	h.try("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "netshareadd /srv/public added")
	h.run("rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "enumprinters")
	h.run("python3", "/srv/printjob.py", "root", password, "lp1")
	got := map[string]map[string]string{}
	for _, rpcd := range []string{"rpcd_classic", "rpcd_spoolss"} {
		got[rpcd] = attributes(h.run("sh", "-c", "sh /srv/dump $(pgrep -o -x "+rpcd+")"))
	}
	for _, script := range scripts {
		h.eventually(func() error {
			out, _ := h.try("cat", "/srv/out/"+script)
			if got[script] = attributes(out); got[script]["env PATH"] == "" {
				return fmt.Errorf("%s has not run: %s", script, out)
			}
			return nil
		})
	}
	return got
}

func TestRpcdsAndTheirScriptsInheritWhatTheyDoWithStockSamba(t *testing.T) {
	job := check.File(t, "testdata/printjob.py")
	scripts := func(o *sandboxOptions) {
		for _, line := range []string{"load printers = yes", "printcap name = /etc/printcap.test", "lpq command = true",
			"print command = /srv/print %s"} {
			global(line)(o)
		}
		o.Files["/etc/printcap.test"] = "lp1|one\n"
		o.Files["/srv/dump"], o.Files["/srv/self"] = dump, self
		for _, name := range []string{"print", "add-share"} {
			o.Files["/srv/"+name] = "#!/bin/sh\n(python3 /srv/self; sh /srv/dump $$) >/srv/out/" + name + ".new; mv /srv/out/" + name + ".new /srv/out/" + name + "\n"
		}
		o.Files["/srv/printjob.py"] = string(job)
		o.Files["/etc/samba/smb.conf"] += "\n[printers]\n\tpath = /var/spool/samba\n\tprintable = yes\n"
	}
	start := func(change ...func(*sandboxOptions)) *host {
		h := boot(t, change...)
		h.sh("mkdir -p /var/spool/samba /srv/out; chmod 1777 /var/spool/samba /srv/out")
		return h
	}
	mounts := global("add share command = /srv/add-share")
	stock := start(scripts, mounts, global("rpc start on demand helpers = yes"), func(o *sandboxOptions) { o.Stage = "" }).smbd().inherited("add-share", "print")
	ours := start(scripts, mounts).install().smbd().inherited("add-share", "print")
	for process, got := range start(scripts).install().smbd().inherited("print") {
		if got["namespace mnt"] != "" {
			t.Errorf("no script is named that may mount, and %s has the mounts of systemd", process)
		}
		if process == "rpcd_classic" {
			continue // it has done nothing yet
		}
		got["namespace mnt"] = stock[process]["namespace mnt"]
		ours[process+" with its own mounts"], stock[process+" with its own mounts"] = got, stock[process]
	}
	for process, want := range stock {
		t.Run(process, func(t *testing.T) {
			compareInherited(t, want, ours[process])
			if _, told := want["securebits"]; told == strings.HasPrefix(process, "rpcd_") {
				t.Errorf("securebits: %v", told)
			}
		})
	}
}

func compareInherited(t *testing.T, stock, ours map[string]string) {
	t.Helper()
	names := map[string]bool{}
	for k := range stock {
		names[k] = true
	}
	for k := range ours {
		names[k] = true
	}
	if len(names) < 50 {
		t.Fatalf("only %d attributes: %v", len(names), names)
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		s, o := stock[k], ours[k]
		if s == o {
			continue
		}
		if v, ok := strings.CutPrefix(k, "env "); ok && wantedEnv[v] != "" {
			continue
		}
		if w, ok := wanted[k]; ok && regexp.MustCompile("^(?:"+w.ours+")$").MatchString(o) {
			t.Logf("%s: %q, with stock %q: %s", k, o, s, w.why)
			continue
		}
		t.Errorf("%s: %q, with stock %q", k, o, s)
	}
}
