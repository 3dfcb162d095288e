// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"
)

// This file owns hosts that are not as most are. Each serves, or says what has
// to be mended.

// serves is the main job: clients of all three transports are served by
// msrpcd, and verify finds nothing. Without a user, what anonymous ones may do.
func (h *host) serves(user string) {
	h.t.Helper()
	jobs := [][]string{{"smbclient", "-L", "127.0.0.1", "-N"}, {"rpcclient", "ncacn_ip_tcp:127.0.0.1", "-U", "%", "-c", "srvinfo"}}
	if user != "" {
		jobs = append(jobs, [][]string{
			{"smbclient", "-L", "127.0.0.1", "-U", user},
			{"net", "rpc", "registry", "enumerate", "HKLM", "-S", "127.0.0.1", "-U", user},
			{"rpcclient", "127.0.0.1", "-U", user, "-c", "enumdomusers; lsaquery; enumprinters"},
			{"rpcclient", "ncacn_ip_tcp:127.0.0.1", "-U", user, "-c", "srvinfo"},
		}...)
	}
	for _, args := range jobs {
		if out, rc := h.try(args...); rc != 0 {
			h.t.Errorf("%v: exit status %d\n%s", args, rc, out)
		}
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-n", "20", "-c", "4"); r.Conns != 20 {
		h.t.Errorf("ncalrpc: %+v", r)
	}
	if out, rc := h.try("msrpcctl", "verify"); rc != 0 {
		h.t.Errorf("verify: exit status %d\n%s", rc, out)
	}
	if out, _ := h.try("pgrep", "-a", "samba-dcerpcd"); out != "" {
		h.t.Errorf("samba-dcerpcd runs: %s", out)
	}
}

// hostname makes boot choose the name of the host.
func hostname(name string) func(*sandboxOptions) {
	return func(o *sandboxOptions) { o.Hostname = name }
}

// smbConf makes boot change smb.conf as a whole.
func smbConf(change func(text string) string) func(*sandboxOptions) {
	return func(o *sandboxOptions) {
		o.Files["/etc/samba/smb.conf"] = change(o.Files["/etc/samba/smb.conf"])
	}
}

// setup adds a line to what runs before systemd.
func setup(line string) func(*sandboxOptions) {
	return func(o *sandboxOptions) { o.Setup += line + "\n" }
}

func TestOddHostsAreServed(t *testing.T) {
	without := func(o string) func(string) string {
		return func(text string) string { return strings.Replace(text, o, "", 1) }
	}
	for _, tt := range []struct {
		name   string
		user   string
		change []func(*sandboxOptions)
	}{
		{"the manager has narrow defaults", "root%" + password, []func(*sandboxOptions){
			file("/etc/systemd/system.conf.d/narrow.conf", "[Manager]\nDefaultLimitNOFILE=1024:1024\nDefaultTasksMax=32\nDefaultTimeoutStopSec=3s\nDefaultTimeoutStartSec=20s\nDefaultLimitCORE=0\nDefaultLimitMEMLOCK=0\nDefaultRestartSec=1s\nDefaultStartLimitBurst=2\n"),
			file("/etc/systemd/system/service.d/umask.conf", "[Service]\nUMask=0077\n"),
			setup("mount -o remount,noexec,nosuid,nodev /run"),
		}},
		{"the longest name that Samba takes, no IPv6, smb.conf from a Windows editor", "root%" + password, []func(*sandboxOptions){
			hostname(strings.Repeat("h", 63)),
			smbConf(without("netbios name = MSRPCTEST")),
			smbConf(func(text string) string { return "\xef\xbb\xbf" + strings.ReplaceAll(text, "\n", "\r\n") }),
			setup("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"),
		}},
		{"the shortest name, the registry has the configuration, log level 10", "root%" + password, []func(*sandboxOptions){
			hostname("x"),
			smbConf(without("netbios name = MSRPCTEST")),
			global("include = registry"), global("log level = 10"),
			setup("net conf setparm global 'rpc server dynamic port range' 50000-50100"),
		}},
		{"a netbios name with what Windows allows", "root%" + password, []func(*sandboxOptions){global("netbios name = A-B_C!@#$&'(")}},
		{"a classic primary domain controller", "root%" + password, []func(*sandboxOptions){global("server role = classic primary domain controller"), global("domain logons = yes")}},
		{"a member that has not joined", "", []func(*sandboxOptions){global("security = ads"), global("realm = AD.EXAMPLE.COM"), global("server role = member server")}},
	} {
		t.Run(tt.name, func(t *testing.T) { boot(t, tt.change...).install().smbd().serves(tt.user) })
	}
}
