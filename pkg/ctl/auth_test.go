// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// secured is a server that knows User, whose password is Password, with these
// mechanisms; it returns its binding.
func secured(t *testing.T, services ...func(...auth.Mechanism) auth.Mechanism) string {
	t.Helper()
	loopback.Need(t)
	f, err := hashes.Parse("User:1000:X:A4F49C406510BDCAB6824EE7C30FD852:[U]:")
	check.OK(t, err)
	s := &rpcd.Server{Name: "secured"}
	for _, service := range services {
		s.Auth = append(s.Auth, service(&ntlm.Mechanism{Accounts: f}))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	go s.Serve(ln)
	t.Cleanup(s.Shutdown)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return "ncacn_ip_tcp:127.0.0.1[" + port + "]"
}

func bare(m ...auth.Mechanism) auth.Mechanism       { return m[0] }
func negotiated(m ...auth.Mechanism) auth.Mechanism { return spnego.New(m...) }

func TestPingAuthenticates(t *testing.T) {
	binding := secured(t, bare, negotiated)
	for _, mech := range mechanisms[:2] {
		for _, level := range []string{"connect", "packet", "sign", "seal"} {
			out, errs, status := run(t, "ping", "--json", "--mech", mech, "--auth", level, "-U", `DOM\User%Password`, binding)
			var r pinged
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err, out, errs)
			}
			if want := (authenticated{"User", "DOM", "ntlm", map[string]string{"sign": "integrity", "seal": "privacy"}[level]}); status != 0 ||
				r.Auth == nil || r.Auth.Account != want.Account || r.Auth.Domain != want.Domain || want.Level != "" && r.Auth.Level != want.Level {
				t.Errorf("%s %s: %s", mech, level, out)
			}
		}
	}
	out, _, _ := run(t, "ping", "-U", "User%Password", binding)
	if !strings.Contains(out, "\nauthenticated: User, ntlm, privacy\n") {
		t.Error(out)
	}
	if out, _, _ := run(t, "ping", "--json", binding); strings.Contains(out, "authentication") {
		t.Errorf("without credentials: %s", out)
	}
}

func TestPingSaysWhyItIsNotAuthenticated(t *testing.T) {
	both, bareOnly := secured(t, bare, negotiated), secured(t, bare)
	for _, tt := range []struct{ binding, mech, user, want string }{
		{both, "spnego", "User%wrong", "the server refuses these credentials: rpc fault rpc_s_sec_pkg_error; check domain, account and password"},
		{both, "ntlm", "User%wrong", "the server refuses these credentials: rpc fault error_access_denied; check domain"},
		{bareOnly, "spnego", "User%Password", "the server does not serve this authentication mechanism: the server refuses the bind: authentication type not recognized; try another --mech"},
	} {
		out, _, status := run(t, "ping", "--mech", tt.mech, "-U", tt.user, tt.binding)
		if !strings.Contains(out, tt.want) || status != 1 {
			t.Errorf("%s: exit status %d\n%s\nwant %s", tt.mech, status, out, tt.want)
		}
	}
}

// A password is asked for on the terminal, which does not show it, and one on the
// command line is gone from the list of processes.
func TestSecretsAreNotSeen(t *testing.T) {
	binding := secured(t, negotiated)
	master, slave := openTerminal(t)
	cmd := exec.Command(program(t), "ping", "-U", "User", binding)
	var out strings.Builder
	cmd.Stdin, cmd.Stdout = slave, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	check.OK(t, cmd.Start())
	shown := expect(t, master, "Password for User: ")
	if _, err := master.WriteString("Password\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "authenticated: User") {
		t.Errorf("%v\n%s", err, out.String())
	}
	slave.Close()
	rest := make([]byte, 1000)
	n, _ := master.Read(rest)
	if shown += string(rest[:n]); strings.Contains(strings.Replace(shown, "Password for", "", 1), "Password") {
		t.Errorf("the terminal shows %q", shown)
	}

	cmd = exec.Command(program(t), "ping", "-c", "0", "-i", "0.01", "-U", "User%Password", binding)
	pipe, _ := cmd.StdoutPipe()
	check.OK(t, cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	expect(t, pipe.(*os.File), "1: group")
	line, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline")
	if err != nil || strings.Contains(string(line), "Password") || !strings.Contains(string(line), "User%") {
		t.Errorf("%q %v", line, err)
	}
}

// program is msrpcctl as a file: testscript runs the test's own under that name.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "msrpcctl")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, path)
	}
	check.OK(t, err)
	return path
}

// openTerminal makes a terminal and its other end.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this host has no terminals: ", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	check.OK(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// expect reads until a text comes, and returns all.
func expect(t *testing.T, f *os.File, text string) string {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() { f.Close() })
	defer late.Stop()
	var got strings.Builder
	b := make([]byte, 512)
	for !strings.Contains(got.String(), text) {
		n, err := f.Read(b)
		if got.Write(b[:n]); err != nil {
			t.Fatalf("%q does not come, but %q: %v", text, got.String(), err)
		}
	}
	return got.String()
}
