// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/host/program"
	"msrpcd/tests/tools/check"
)

func testparmOutput(t testing.TB, name string) []byte {
	t.Helper()
	b := check.File(t, filepath.Join("testdata", name))
	return b
}

// Captured from testparm 4.17.12, only the host's name was replaced.
func TestParseTestparm(t *testing.T) {
	debian := Samba{
		NcalrpcDir: "/run/samba/ncalrpc", NPDir: "/run/samba/ncalrpc/np", LockDir: "/run/samba",
		PrivateDir: "/var/lib/samba/private", LogDir: "/var/log/samba", PortLow: 49152, PortHigh: 65535,
		HelpersOnDemand: true, NetbiosName: "FILESERVER", GuestAccount: "nobody", ServerRole: "standalone server",
		NoCommands: true,
	}
	changed := debian
	changed.NPDir = "/run/custom/np"
	changed.LogDir = ""
	changed.DefaultLogging = true
	changed.PortLow, changed.PortHigh = 50000, 50010
	changed.BindInterfacesOnly = true
	changed.Interfaces = []string{"lo", "eth0;speed=100", "10.0.0.0/8"}
	changed.HelpersOnDemand = false
	for name, want := range map[string]Samba{"testparm-4.17-debian.txt": debian, "testparm-4.17-changed.txt": changed} {
		got, err := ParseTestparm(testparmOutput(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check.SameIn(t, name, want, *got)
	}
}

// with is a small output with lines replaced or added.
func with(lines ...string) []byte {
	p := map[string]string{"ncalrpc dir": "/n", "lock directory": "/l", "private dir": "/p"}
	for _, l := range lines {
		k, v, _ := strings.Cut(l, " = ")
		p[k] = v
	}
	out := "# Global parameters\n[global]\n"
	for k, v := range p {
		out += "\t" + k + " = " + v + "\n"
	}
	return []byte(out + "\n\n[share]\n\tncalrpc dir = /no\n\tlog file = relative\n")
}

func TestParseTestparmValues(t *testing.T) {
	for _, tt := range []struct {
		line string
		get  func(*Samba) any
		want any
	}{
		{"x = y", func(s *Samba) any { return s.NcalrpcDir + s.NPDir + s.LockDir + s.PrivateDir + s.LogDir }, "/n/n/np/l/p"},
		{"x = y", func(s *Samba) any { return s.HelpersOnDemand }, true},
		{"x = y", func(s *Samba) any { return [2]int{s.PortLow, s.PortHigh} }, [2]int{49152, 65535}},
		{"rpc start on demand helpers = No", func(s *Samba) any { return s.HelpersOnDemand }, false},
		{"rpc server dynamic port range = 1024-1024", func(s *Samba) any { return [2]int{s.PortLow, s.PortHigh} }, [2]int{1024, 1024}},
		{"External_RPC_Pipe: Socket_Dir = /x/", func(s *Samba) any { return s.NPDir }, "/x/np"},
		{"ncalrpc dir = /a/b/", func(s *Samba) any { return s.NcalrpcDir + " " + s.NPDir }, "/a/b /a/b/np"},
		{"log file = /var/log/x/%m.log", func(s *Samba) any { return s.LogDir }, "/var/log/x"},
		{"log file = /var/log/%m/log", func(s *Samba) any { return s.LogDir }, "/var/log"},
		{"log file = /var/log/%U/%m/x", func(s *Samba) any { return s.LogDir }, "/var/log"},
		{"log file = /l/log.smbd", func(s *Samba) any { return s.LogDir }, "/l"},
		{`interfaces = "eth 0" lo, eth1`, func(s *Samba) any { return strings.Join(s.Interfaces, "|") }, "eth 0|lo|eth1"},
		{`interfaces = " "`, func(s *Samba) any { return len(s.Interfaces) }, 1},
		{`interfaces = ""`, func(s *Samba) any { return s.Interfaces == nil }, true},
		{"server role = active directory domain controller", func(s *Samba) any { return s.ServerRole }, "active directory domain controller"},
		{"server role = auto", func(s *Samba) any { return s.ServerRole }, "standalone server"},
		{"security = ADS", func(s *Samba) any { return s.ServerRole }, "member server"},
		{"domain logons = Yes", func(s *Samba) any { return s.ServerRole }, "classic primary domain controller"},
	} {
		s, err := ParseTestparm(with(tt.line))
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		check.SameIn(t, tt.line, tt.want, tt.get(s))
	}
	s, err := ParseTestparm(with("domain logons = Yes", "domain master = No"))
	if err != nil || s.ServerRole != "classic backup domain controller" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestParseTestparmErrors(t *testing.T) {
	for _, tt := range []struct{ out, want string }{
		{"", "not the output of testparm"},
		{"\x7fELF\x00", "not the output of testparm"},
		{"[share]\n\tncalrpc dir = /n\n", "not the output of testparm"},
		{"[global]\n\tncalrpc dir = /n\n", "lock directory"},
		{string(with("ncalrpc dir = run")), "ncalrpc dir = run: it has to be an absolute path; correct it in smb.conf"},
		{string(with("ncalrpc dir = /x/%m")), "ncalrpc dir = /x/%m has a macro"},
		{string(with("ncalrpc dir = /x y")), "without blanks"},
		{string(with("ncalrpc dir = /x\x01")), "not the output of testparm"},
		{string(with("lock directory = ")), "lock directory"},
		{string(with("external_rpc_pipe:socket_dir = x")), "external_rpc_pipe:socket_dir = x/np"},
		{string(with("log file = relative/log")), "log file"},
		{string(with("rpc server dynamic port range = 70000-1")), "is not a range of ports"},
		{string(with("rpc server dynamic port range = 2-1")), "is not a range of ports"},
		{string(with("rpc server dynamic port range = 0-1")), "is not a range of ports"},
		{string(with("rpc server dynamic port range = 5")), "is not a range of ports"},
		{string(with("rpc start on demand helpers = perhaps")), "it has to be yes or no"},
		{string(with("interfaces = " + strings.Repeat("lo ", maxTestparmValue/3+1))), "interfaces is longer than 65536 bytes"},
		{string(with("interfaces = lo\x1b")), "has control characters"},
	} {
		s, err := ParseTestparm([]byte(tt.out))
		if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: got %+v, %v; want %s", tt.out, s, err, tt.want)
		}
	}
}

// script writes a shell script and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "testparm")
	check.OK(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
	return path
}

func smbConf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smb.conf")
	check.OK(t, os.WriteFile(path, []byte("[global]\n"), 0o644))
	return path
}

func TestReadSamba(t *testing.T) {
	conf := smbConf(t)
	data, err := filepath.Abs("testdata/testparm-4.17-debian.txt")
	check.OK(t, err)
	prog := script(t, `if [ "$1" = -V ]; then echo Version 4.17.12-Debian; exit; fi
[ "$*" = "-s -v --suppress-prompt `+conf+`" ] || exit 3
echo "lock directory = /stderr/is/not/read" >&2
cat `+data)
	s, err := ReadSamba(context.Background(), Global{SambaConfig: conf, Testparm: prog})
	check.OK(t, err)
	if s.Version != "4.17.12-Debian" || s.ConfigFile != conf || s.LockDir != "/run/samba" {
		t.Errorf("got %+v", s)
	}
}

func TestReadSambaErrors(t *testing.T) {
	conf := smbConf(t)
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		name string
		cfg  Global
		is   error
		want string
	}{
		{"no smb.conf", Global{SambaConfig: none, Testparm: none}, ErrNoSambaConfig, "does not exist; install Samba, or set SambaConfig= in msrpcd.conf"},
		{"no testparm", Global{SambaConfig: conf, Testparm: none}, ErrNoTestparm, "or set Testparm= in msrpcd.conf"},
		{"no testparm in PATH", Global{SambaConfig: conf, Testparm: "no-such-program"}, ErrNoTestparm, "samba-common-bin"},
		{"smb.conf is a directory", Global{SambaConfig: filepath.Dir(conf), Testparm: none}, nil, "is not a regular file"},
		{"exit status", Global{SambaConfig: conf, Testparm: script(t, "echo Error loading services. >&2\necho >&2\nexit 1")}, nil,
			`testparm: exit status 1: Error loading services.; run testparm -s `},
		{"no output", Global{SambaConfig: conf, Testparm: script(t, "exit 0")}, nil, "this is not the output of testparm"},
		{"endless output", Global{SambaConfig: conf, Testparm: script(t, "exec yes")}, program.ErrTooLong, "more than 1048576 bytes"},
		{"endless errors", Global{SambaConfig: conf, Testparm: script(t, "head -c 1000000 /dev/zero >&2; exit 1")}, nil, "exit status 1"},
		{"bad version", Global{SambaConfig: conf, Testparm: script(t, "[ $1 = -V ] && echo what && exit; printf '[global]\\nncalrpc dir=/n\\nlock directory=/l\\nprivate dir=/p\\n'")}, nil,
			"is not a Samba version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ReadSamba(context.Background(), tt.cfg)
			if s != nil || err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %+v, %v", s, err)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("long error: %v", err)
			}
		})
	}
}

func TestAHangingTestparmEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := ReadSamba(ctx, Global{SambaConfig: smbConf(t), Testparm: script(t, "exec tail -f /dev/null")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseTestparm(f *testing.F) {
	f.Add(testparmOutput(f, "testparm-4.17-debian.txt"))
	f.Add(testparmOutput(f, "testparm-4.17-changed.txt"))
	f.Add(with(`interfaces = "a b`, "log file = /%m"))
	f.Fuzz(func(t *testing.T, out []byte) {
		s, err := ParseTestparm(out)
		if err != nil {
			return
		}
		for _, d := range []string{s.NcalrpcDir, s.NPDir, s.LockDir, s.PrivateDir} {
			if !filepath.IsAbs(d) || filepath.Clean(d) != d || strings.ContainsAny(d, "% \"\n") {
				t.Fatalf("directory %q", d)
			}
		}
		if s.LogDir != "" && (!filepath.IsAbs(s.LogDir) || strings.ContainsAny(s.LogDir, "%\n")) {
			t.Fatalf("log directory %q", s.LogDir)
		}
		if s.PortLow < 1 || s.PortLow > s.PortHigh || s.PortHigh > 65535 {
			t.Fatalf("ports %d-%d", s.PortLow, s.PortHigh)
		}
		for _, w := range append(s.Interfaces, s.NetbiosName, s.GuestAccount, s.ServerRole) {
			if strings.ContainsFunc(w, control) {
				t.Fatalf("word %q", w)
			}
		}
	})
}
