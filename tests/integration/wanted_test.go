// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Every remedy of verify works: one thing is broken, verify names it as the one
// cause, the remedy's commands are run (after the edit that it tells of), and
// verify is content and a client is served again.

type finding struct {
	Check, Rpcd, Unit, What, Remedy, Cause string
	Commands                               []string
	Mends                                  bool
}

type verified struct {
	Groups []struct {
		finding
		Consequences []finding
	}
	Findings  []finding
	Unknown   []string
	Reachable []struct {
		Address, Rpcd, Unit string
		Port                int
	}
}

// verify is what msrpcctl verify --json prints.
func (h *host) verify(as ...string) (v verified, rc int) {
	h.t.Helper()
	out, rc := h.try(append(as, "msrpcctl", "verify", "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		h.t.Fatalf("verify: exit status %d, %v\n%s", rc, err, out)
	}
	return v, rc
}

// wrong is one thing that is not as it should be.
type wrong struct {
	name        string
	happen      func(h *host)
	check, what string        // of the cause that verify names
	hence       string        // part of what follows from it, "" for nothing in particular
	edit        func(h *host) // what the remedy tells people to do by hand
}

// knock lets a client of winreg come that is not waited for.
func knock(h *host) { h.MustStart(h.t, "msrpcctl", "ping", "-W", "20", "winreg") }

// script is something that happens by a shell script.
func script(lines string) func(*host) { return func(h *host) { h.t.Helper(); h.sh(lines) } }

// mended checks that a client gets what it wants, and that nothing is wrong.
func (h *host) mended() {
	h.t.Helper()
	h.eventually(func() error {
		if out, rc := h.try("msrpcctl", "ping", "-W", "5", "winreg"); rc != 0 {
			return fmt.Errorf("ping: %s", out)
		}
		out, rc := h.try("msrpcctl", "verify")
		if strings.Contains(out, "took longer than") { // a busy machine: its remedy is another refresh
			h.try("msrpcctl", "refresh")
		}
		if rc != 0 {
			return fmt.Errorf("verify: exit status %d\n%s", rc, out)
		}
		return nil
	})
}

// remedied breaks one thing and has it mended as verify says.
func (h *host) remedied(w wrong) {
	h.t.Helper()
	h.t.(*testing.T).Cleanup(func() {
		if h.t.Failed() { // so that the next one begins well
			if w.edit != nil {
				w.edit(h)
			}
			h.try("sh", "-c", "rm -rf /run/samba/ncalrpc/rpcd_winreg /run/samba/ncalrpc/np/winreg /run/msrpc/winreg/*; systemctl daemon-reload; systemctl reset-failed; systemctl restart msrpc.target; msrpcctl refresh")
		}
	})
	w.happen(h)
	var v verified
	h.eventually(func() error {
		var rc int
		v, rc = h.verify()
		if len(v.Groups) != 1 || rc != 1 || v.Groups[0].Check != w.check || !strings.Contains(v.Groups[0].What, w.what) {
			out, _ := h.try("msrpcctl", "verify")
			return fmt.Errorf("exit status %d, want one cause, %s: %s\n%s", rc, w.check, w.what, out)
		}
		for _, c := range v.Groups[0].Consequences {
			if strings.Contains(c.What, w.hence) {
				return nil
			}
		}
		if w.hence != "" {
			return fmt.Errorf("%q does not follow from it: %+v", w.hence, v.Groups[0])
		}
		return nil
	})
	if w.edit != nil {
		w.edit(h)
	}
	g := v.Groups[0]
	if len(g.Commands) == 0 && w.edit == nil {
		h.t.Errorf("there is no command: %s", g.Remedy)
	}
	for _, c := range g.Commands {
		if out, rc := h.try("sh", "-c", c); rc != 0 {
			h.t.Errorf("%s: exit status %d\n%s", c, rc, out)
		}
	}
	h.mended()
}

// dropIn is a file that makes a unit bad.
func dropIn(unit, text string) (happen, edit func(*host)) {
	dir := "/run/systemd/system/" + unit + ".d"
	return func(h *host) {
			h.sh("mkdir -p " + dir + "; printf '" + text + "' >" + dir + "/99-bad.conf; systemctl daemon-reload")
			knock(h)
		}, func(h *host) {
			h.run("rm", "-r", dir)
		}
}

// winregEnds ends what serves winreg, so that a client starts it again.
const winregEnds = "systemctl stop msrpc-broker@winreg.service 'msrpc-worker-winreg@*.service'; "

func TestRemediesOfUnits(t *testing.T) {
	h := boot(t).install().smbd()
	h.mended()
	typo, typoGone := dropIn("msrpc-worker-winreg@.service", `[Service]\nExecStart=\nExecStart=relative/path\n`)
	broker, brokerGone := dropIn("msrpc-broker@winreg.service", `[Service]\nExecStart=\nExecStart=/usr/libexec/msrpcd/msrpc-broker no-name\n`)
	worker, workerGone := dropIn("msrpc-worker-winreg@.service", `[Service]\nExecStart=\nExecStart=/bin/false\n`)
	account, accountGone := dropIn("msrpc-broker@winreg.service", `[Service]\nUser=nosuchuser\n`)
	missing, missingGone := dropIn("msrpc-broker@winreg.service", `[Service]\nExecStart=\nExecStart=/usr/libexec/nosuch\n`)
	ended := func(f func(*host)) func(*host) { return func(h *host) { h.sh(winregEnds); f(h) } }
	for _, w := range []wrong{
		{"a typo in a drop-in", ended(typo), "units", "systemd refuses its files", "", typoGone},
		{"a broker that ends at once", ended(broker), "units", "exit status 1", "", brokerGone},
		{"workers that end at once", ended(worker), "units", "exit status 1", "", workerGone},
		{"an account is missing", ended(account), "units", "217/USER", "", accountGone},
		{"a program is missing", ended(missing), "units", "203/EXEC", "", missingGone},
		{"workers are masked", script(winregEnds + "systemctl mask msrpc-worker-winreg@.service"), "units", "is masked", "", nil},
		{"a broker is masked", script(winregEnds + "systemctl mask --runtime msrpc-broker@winreg.service"), "units", "is masked", "", nil},
		{"an inbox is masked", script("systemctl mask msrpc-worker-winreg@0.socket; systemctl stop msrpc-worker-winreg@0.socket msrpc-worker-winreg@0.service"), "units", "is masked", "", nil},
		{"programs are not watched", script("systemctl stop msrpc-refresh.path"), "target", "msrpc-refresh.path is inactive", "", nil},
		{"the target is not enabled", script("systemctl disable msrpc.target"), "target", "is not enabled", "", nil},
		{"the target is down", script("systemctl stop msrpc.target"), "target", "nothing is served", "", nil},
		{"smbd is down", script("systemctl stop smbd.service"), "smbd", "smbd.service is inactive", "", nil},
	} {
		t.Run(w.name, func(t *testing.T) {
			h.t = t
			h.remedied(w)
		})
	}
}

func TestRemediesOfFiles(t *testing.T) {
	h := boot(t).install().smbd()
	h.mended()
	const status = "/run/msrpc/winreg/status"
	for _, w := range []wrong{
		{"inboxes are removed", script("rm /run/msrpc/winreg/inbox-*"), "inboxes", "inboxes of winreg cannot take connections", "", nil},
		{"inboxes are files", script("for i in 0 1 5 6; do rm -f /run/msrpc/winreg/inbox-$i; echo >/run/msrpc/winreg/inbox-$i; done"), "inboxes", "is not a socket", "", nil},
		{"inboxes are directories", script("for i in 0 1; do rm -f /run/msrpc/winreg/inbox-$i; mkdir -p /run/msrpc/winreg/inbox-$i/x; done"), "inboxes", " inboxes of winreg cannot take connections", "", nil},
		{"another process has an inbox", script("rm /run/msrpc/winreg/inbox-0; systemd-run -q --unit=thief python3 -c 'import socket,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(\"/run/msrpc/winreg/inbox-0\"); time.sleep(600)'"),
			"inboxes", "thief.service", "", func(h *host) { h.run("systemctl", "stop", "thief.service") }},
		{"a listener is removed", script("rm /run/samba/ncalrpc/rpcd_winreg"), "sockets", "/run/samba/ncalrpc/rpcd_winreg is not there", "", nil},
		{"a listener is a file", script("rm /run/samba/ncalrpc/np/winreg; echo >/run/samba/ncalrpc/np/winreg"), "sockets", "is not a socket", "", nil},
		{"a listener is a directory", script("rm /run/samba/ncalrpc/rpcd_winreg; mkdir /run/samba/ncalrpc/rpcd_winreg"), "sockets", "is not a socket", "", nil},
		{"a status file is gone", script("rm " + status), "status files", status, "", nil},
		{"a status file is empty", script("truncate -s 0 " + status), "status files", "has 0 bytes", "", nil},
		{"a status file is huge", script("truncate -s 20M " + status), "status files", "bytes", "", nil},
		{"a status file is a FIFO", script("rm " + status + "; mkfifo " + status), "status files", "is a FIFO", "", nil},
		{"a status file is a link", script("rm " + status + "; ln -s /etc/passwd " + status), "status files", "is a symbolic link", "", nil},
		{"a status file is a directory", script("rm " + status + "; mkdir " + status), "status files", "is a directory", "", nil},
		{"a status file has another mode", script("chmod 666 " + status), "status files", "mode 0666", "", nil},
		{"a status file has another owner", script("chown nobody " + status), "status files", "belongs to", "", nil},
		{"a status file has rubbish in it", script("printf rubbishrubbish | dd of=" + status + " conv=notrunc status=none"), "status files", "not a status file", "", nil},
		{"a directory has another mode", script("chmod 755 /run/samba/ncalrpc/np"), "directories", "0755 instead of 0700", "", nil},
		{"a directory has another owner", script("chown nobody /run/msrpc/winreg"), "directories", "does not belong to root", "", nil},
		{"a directory is gone", script("rm -r /run/msrpc/winreg"), "directories", "/run/msrpc/winreg", "inboxes of winreg", nil},
		{"a directory is a link", script("mv /run/msrpc/winreg /run/elsewhere; ln -s /run/elsewhere /run/msrpc/winreg"), "directories", "is not a directory", "", nil},
		{"a directory is a file", script("rm -r /run/msrpc/winreg; echo >/run/msrpc/winreg"), "directories", "is not a directory", "inboxes of winreg", nil},
	} {
		t.Run(w.name, func(t *testing.T) {
			h.t = t
			h.remedied(w)
		})
	}
}

// The port that winreg pins, and a process that has it before.
const thief = "systemd-run -q --unit=thief python3 -c 'import socket,time; s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind((\"::\",50113)); s.listen(); time.sleep(600)'; "

func TestRemediesOfSamba(t *testing.T) {
	keytab := func(path string) func(*host) {
		return func(h *host) { h.authSettings("LoadCredential=krb5.keytab:" + path) }
	}
	noKeytab := script("rm -r /etc/systemd/system/" + authUnit + ".d")
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50113\n")).install().smbd()
	h.mended()
	for _, w := range []wrong{
		{"samba-dcerpcd is a service", func(h *host) { h.sh("systemd-run -q --unit=stale " + h.dcerpcd() + " -F --libexec-rpcds") },
			"samba-dcerpcd", "in stale.service", "/run/samba/ncalrpc/np/winreg", nil},
		{"winbindd started samba-dcerpcd", func(h *host) {
			h.sh("mkdir -p /run/systemd/system; printf '[Service]\\nExecStart=/bin/sh -c \"" + h.dcerpcd() + " -F --libexec-rpcds & exec sleep 600\"\\n' >/run/systemd/system/winbind.service; systemctl daemon-reload; systemctl start winbind.service")
		}, "samba-dcerpcd", "in winbind.service", "/run/samba/ncalrpc/np/winreg",
			script("rm /run/systemd/system/winbind.service; printf '[Service]\\nExecStart=/bin/sleep 600\\n' >/run/systemd/system/winbind.service; systemctl daemon-reload")},
		{"another process has a port", script("systemctl stop msrpc-tcp-winreg.socket msrpc-broker@winreg.service; " + thief + "sleep .3; systemctl start msrpc-tcp-winreg.socket || :"),
			"ports", "in thief.service", ":50113", nil},
		{"a worker is stopped by a signal", script("msrpcctl ping winreg; systemctl kill -s STOP --kill-whom=main msrpc-worker-winreg@0.service; for i in 1 2 3 4 5 6; do msrpcctl ping -W 2 winreg & done; wait"),
			"progress", "does not take the clients that wait", "", nil},
		{"smbd may start samba-dcerpcd", script("sed -i 's/rpc start on demand helpers = no/rpc start on demand helpers = yes/' /etc/samba/smb.conf; systemctl reload msrpc-preflight.service || :"),
			"smb.conf", "smbd may start samba-dcerpcd", "", script("sed -i 's/rpc start on demand helpers = yes/rpc start on demand helpers = no/' /etc/samba/smb.conf")},
		{"Samba refuses the guest account", script("printf '[global]\nguest account = nosuchguest\n' >>/etc/samba/smb.conf; systemctl stop 'msrpc-worker-*@*.service'; msrpcctl refresh; (msrpcctl ping -W 20 winreg >/dev/null 2>&1 &)"),
			"units", "`guest account = nosuchguest` of smb.conf is not in /etc/passwd", "", script("sed -i '/nosuchguest/d' /etc/samba/smb.conf")},
		{"a keytab is gone", keytab("/etc/gone.keytab"), "authentication", "/etc/gone.keytab does not exist", "", noKeytab},
		{"a keytab is rubbish", keytab("/etc/passwd"), "authentication", "keytab cannot be read", "", noKeytab},
		{"a file of rpcd.d is about nothing", script("printf '[Rpcd]\\nWorkers=1\\n' >/etc/msrpcd/rpcd.d/wnreg.conf"),
			"configuration", "there is no rpcd wnreg", "", script("rm /etc/msrpcd/rpcd.d/wnreg.conf")},
	} {
		t.Run(w.name, func(t *testing.T) {
			h.t = t
			h.remedied(w)
		})
	}
}

// Restarting sockets, which systemd does not open again beside busy services,
// costs no connection, and a refresh mends it.
func TestRestartedSocketsOfBusyWorkers(t *testing.T) {
	for name, restart := range map[string]string{
		"all": "systemctl try-restart 'msrpc-*.socket'", "inboxes": "systemctl restart 'msrpc-worker-winreg@*.socket'",
	} {
		t.Run(name, func(t *testing.T) {
			h := boot(t).install().smbd()
			var held []func() bool
			for range 5 {
				c := h.dial(winregNcalrpc)
				group := bindOn(t, c)
				held = append(held, func() bool { return group != 0 && alive(c) })
			}
			h.try("sh", "-c", restart)
			h.try("msrpcctl", "refresh")
			h.eventually(func() error {
				if out, rc := h.try("msrpcctl", "ping", "-c", "3", "-i", "0.1", "-W", "6", "winreg"); rc != 0 || !strings.Contains(out, "0 failed") {
					return fmt.Errorf("ping: %s", out)
				}
				return nil
			})
			for i, ok := range held {
				if !ok() {
					t.Errorf("held connection %d is broken", i)
				}
			}
		})
	}
}

// A generator that made nothing at one reload leaves units that systemd calls
// active and that do nothing.
func TestAGeneratorThatMadeNothingOnce(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	h.sh("mkdir -p /etc/systemd/system-generators; ln -s /dev/null /etc/systemd/system-generators/msrpc-generator; systemctl daemon-reload; rm /etc/systemd/system-generators/msrpc-generator; systemctl daemon-reload")
	h.try("msrpcctl", "refresh")
	h.mended()
	h.works()
}

// alive reports whether the server has not closed a connection.
func alive(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return os.IsTimeout(err)
}
