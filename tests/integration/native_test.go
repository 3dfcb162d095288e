// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// Native rpcds, by the example of tests/tools/probe, which tells what it sees.

const (
	probePipe  = "/run/samba/ncalrpc/np/probe"
	probeLocal = "/run/samba/ncalrpc/probe"
	probeUnit  = "msrpc-worker-probe@0.service"
)

type view struct {
	PID, UID, GID int
	Groups        []int
	Names, Run    []string
	Env, Refused  map[string]string
	Caps, Seccomp string
}

// native boots a host with rpcd_probe installed.
func native(t *testing.T, settings string) *host {
	h := boot(t, file("/etc/msrpcd/rpcd.d/probe.conf", "[Rpcd]\nExec=/opt/native/rpcd_probe\nKind=native\nPort=50900\n"+settings))
	h.run("install", "-D", "-m", "0755", "/tools/probe", "/opt/native/rpcd_probe")
	return h.install()
}

// seen connects and returns what the rpcd tells. Behind a broker a bind comes
// first.
func (h *host) seen(c net.Conn, bind bool) (v view) {
	h.t.Helper()
	defer c.Close()
	if bind {
		c.Write(winregBind(0))
	}
	check.OK(h.t, json.NewDecoder(c).Decode(&v))
	return v
}

func TestNativeRpcdHasItsListenersItself(t *testing.T) {
	h := native(t, "Activation=direct\n")
	v := h.seen(h.dial(probeLocal), false)
	slices.Sort(v.Names)
	if !slices.Equal(v.Names, []string{"ncalrpc", "np", "tcp"}) {
		t.Errorf("descriptors %q", v.Names)
	}
	if got := h.seen(h.dial(probePipe), false); got.PID != v.PID {
		t.Errorf("a second process: %d and %d", v.PID, got.PID)
	}
	h.contains(h.run("bash", "-c", "cat </dev/tcp/127.0.0.1/50900"), `"PID":`+strconv.Itoa(v.PID))
	if units := h.active("msrpc-broker@probe.service", "msrpc-worker-probe@*.socket"); len(units) > 0 {
		t.Errorf("there are %v", units)
	}
	for name, want := range map[string]string{
		"MSRPC_RPCD": "probe", "MSRPC_WORKER": "0", "MSRPC_INDEX_BITS": "16", "MSRPC_IDLE_SEC": "60",
		"MSRPC_NP_DIR": "/run/samba/ncalrpc/np", "MSRPC_NCALRPC_DIR": "/run/samba/ncalrpc", "MSRPC_MAX_UNBOUND": "4096", "MSRPC_MAX_UNBOUND_SOURCE": "512", "MSRPC_MAX_UNBOUND_USER": "512", "MSRPC_MAX_PARKED": "16000",
		"MSRPC_BIND_TIMEOUT_SEC": "30", "MSRPC_MAX_NPA": "1048576",
	} {
		if v.Env[name] != want {
			t.Errorf("%s=%s, want %s", name, v.Env[name], want)
		}
	}
	h.contains(h.run("msrpcctl", "status"), "1 of 1")
	h.contains(h.run("msrpcctl", "status", "probe"), probeUnit+"  ready")
	h.fine()
}

// bySystemd are what systemd 257 and later bind into every root directory of a
// service: the journal's other sockets, what says which system the host is, and
// another way to the notification socket.
var bySystemd = map[string]bool{
	"/run/systemd/journal/dev-log": true, "/run/systemd/journal/stdout": true,
	"/run/host/notify": true, "/run/host/os-release": true, "/run/host/.os-release-stage/os-release": true,
}

func TestNativeRpcdIsConfined(t *testing.T) {
	for _, settings := range []string{"Activation=direct\n", "Activation=broker\nWorkers=2\n"} {
		h := native(t, settings)
		v := h.seen(h.dial(probeLocal), strings.Contains(settings, "broker"))
		uid := strings.TrimSpace(h.run("id", "-u", "msrpc-rpcd"))
		if strconv.Itoa(v.UID) != uid || v.GID != 0 || slices.ContainsFunc(v.Groups, func(g int) bool { return g != 0 }) {
			t.Errorf("uid %d, gid %d, groups %v; want uid %s, gid 0 and no group", v.UID, v.GID, v.Groups, uid)
		}
		if v.Caps != "0000000000000000" || v.Seccomp != "2" {
			t.Errorf("capabilities %s, seccomp %s", v.Caps, v.Seccomp)
		}
		for _, path := range v.Run {
			if !strings.HasPrefix(path, "/run/msrpc/probe/") && !strings.HasPrefix(path, "/run/msrpcd/") &&
				path != "/run/systemd/notify" && path != "/run/systemd/journal/socket" && !bySystemd[path] {
				t.Errorf("it sees %s", path)
			}
		}
		for what, err := range v.Refused {
			if wanted := strings.HasPrefix(what, "read "); wanted != (err == "") {
				t.Errorf("%s: %q", what, err)
			}
		}
		out, _ := h.try("systemd-analyze", "security", "--no-pager", probeUnit)
		m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no exposure level in:\n%s", out)
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 0.4 {
			t.Errorf("exposure level %s, want at most 0.4:\n%s", m[1], out)
		}
	}
}

func TestNativeRpcdEndsWhenIdleAndComesBack(t *testing.T) {
	h := native(t, "Activation=direct\nIdleSec=1\n")
	first := h.seen(h.dial(probeLocal), false)
	h.eventually(func() error {
		if units := h.active(probeUnit); len(units) > 0 {
			return fmt.Errorf("%v", units)
		}
		return nil
	})
	if second := h.seen(h.dial(probeLocal), false); second.PID == first.PID {
		t.Error("it did not end")
	}
	check.Is(t, "its line has connections", 2, h.statusFile("probe").Worker(0).Received.Load())
}

func TestNativeRpcdBehindABroker(t *testing.T) {
	h := native(t, "Workers=2\nSpares=1\n")
	v := h.seen(h.dial(probeLocal), true)
	if !slices.Equal(v.Names, []string{"inbox"}) || v.Env["MSRPC_WORKER"] != "0" && v.Env["MSRPC_WORKER"] != "1" {
		t.Errorf("descriptors %q, environment %v", v.Names, v.Env)
	}
	f := h.statusFile("probe")
	h.eventually(func() error {
		sent, received := f.Sent(0).Sent.Load()+f.Sent(1).Sent.Load(), f.Worker(0).Received.Load()+f.Worker(1).Received.Load()
		if sent != 1 || received != 1 {
			return fmt.Errorf("broker and worker have %d and %d connections, want 1", sent, received)
		}
		return nil
	})
}

// The units change while it runs: the program, then the way it is activated.
func TestRefreshRestartsANativeRpcd(t *testing.T) {
	h := native(t, "Activation=direct\nPrestart=yes\n")
	first := h.seen(h.dial(probeLocal), false)
	h.run("msrpcctl", "refresh")
	if again := h.seen(h.dial(probeLocal), false); again.PID != first.PID || first.Env["MSRPC_IDLE_SEC"] != "0" {
		t.Errorf("a refresh that changes nothing: process %d, then %d; idle time %q", first.PID, again.PID, first.Env["MSRPC_IDLE_SEC"])
	}
	h.sh("install -m 0755 /tools/probe /opt/native/.new; mv /opt/native/.new /opt/native/rpcd_probe")
	h.run("msrpcctl", "refresh")
	h.contains(h.property(probeUnit, "ActiveState"), "active")
	if again := h.seen(h.dial(probeLocal), false); again.PID == first.PID {
		t.Error("the replaced program runs on")
	}

	conf := "/etc/msrpcd/rpcd.d/probe.conf"
	h.sh("sed -i /Activation/d " + conf)
	h.run("msrpcctl", "refresh")
	if v := h.seen(h.dial(probeLocal), true); !slices.Equal(v.Names, []string{"inbox"}) {
		t.Errorf("with a broker: descriptors %q", v.Names)
	}
	h.sh("echo Activation=direct >>" + conf)
	h.run("msrpcctl", "refresh")
	if v := h.seen(h.dial(probeLocal), false); len(v.Names) != 3 {
		t.Errorf("without a broker again: descriptors %q", v.Names)
	}
	h.fine()
}

// As an endpoint mapper on a domain controller.
func TestNativeRpcdKeepsOutWhereSambasListsNothing(t *testing.T) {
	h := boot(t,
		file("/etc/msrpcd/rpcd.d/70-opt.conf", "[Rpcd]\nKind=samba\nExec=/opt/samba/rpcd_*\n"),
		file("/etc/msrpcd/rpcd.d/probe.conf", "[Rpcd]\nExec=/opt/native/rpcd_probe\nKind=native\nActivation=direct\n"))
	h.run("install", "-D", "-m", "0755", "/tools/probe", "/opt/native/rpcd_probe")
	h.sh("mkdir /opt/samba; printf '#!/bin/sh\\necho 1\\necho 10\\n' >/opt/samba/rpcd_probe; chmod 755 /opt/samba/rpcd_probe")
	h.install()
	if units := h.active("msrpc-*-probe.socket"); len(units) > 0 {
		t.Errorf("listeners %v", units)
	}
	h.contains(h.run("msrpcctl", "list", "probe"), "keeps out: /opt/samba/rpcd_probe lists nothing")
	h.fine()
	h.sh("rm /opt/samba/rpcd_probe")
	h.run("msrpcctl", "refresh")
	h.seen(h.dial(probeLocal), false)
}

// Neither smb.conf nor a program of Samba: its usual directories and ports.
func TestNativeRpcdOnAHostWithoutSamba(t *testing.T) {
	h := boot(t,
		file("/etc/msrpcd/rpcd.d/50-samba.conf", ""), // masks
		file("/etc/msrpcd/rpcd.d/probe.conf", "[Rpcd]\nExec=/opt/native/rpcd_probe\nKind=native\nActivation=direct\n"))
	h.run("install", "-D", "-m", "0755", "/tools/probe", "/opt/native/rpcd_probe")
	h.run("rm", "-rf", "/etc/samba/smb.conf", "/run/samba")
	h.install()
	h.seen(h.dial(probeLocal), false)
	if port, err := strconv.Atoi(h.port("probe")); err != nil || port < 49152 {
		t.Errorf("port %d, %v", port, err)
	}
	h.fine()
	if out, rc := h.try("ls", "/run/samba/msg.lock"); rc == 0 {
		t.Errorf("there is a directory for Samba's messages: %s", out)
	}
}
