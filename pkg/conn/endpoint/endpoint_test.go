// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

func TestBindingStrings(t *testing.T) {
	for text, want := range map[string]Endpoint{
		`ncacn_np:[\pipe\winreg]`: {layout.NP, `\pipe\winreg`},
		"ncacn_ip_tcp:[135]":      {layout.TCP, "135"},
		"ncalrpc:[EPMAPPER]":      {layout.Ncalrpc, "EPMAPPER"},
	} {
		if e, ok := Parse(text); !ok || e != want || e.String() != text {
			t.Errorf("%s: %+v %v", text, e, ok)
		}
	}
	for _, bad := range []string{"", "ncacn_http:[593]", "ncalrpc:", "ncalrpc:[x", "ncalrpc[x]"} {
		if e, ok := Parse(bad); ok {
			t.Errorf("%q was taken for %+v", bad, e)
		}
	}
	check.Is(t, "pipe", "lsarpc", (Endpoint{layout.NP, `\pipe\lsarpc`}).Node())
}

// passed is a descriptor of a listener, as systemd passes it.
func passed(t *testing.T, l interface{ File() (*os.File, error) }, name string) sys.PassedFD {
	t.Helper()
	f, err := l.File()
	check.OK(t, err)
	t.Cleanup(func() { f.Close() })
	return sys.PassedFD{FD: int(f.Fd()), Name: name}
}

func TestListeners(t *testing.T) {
	tcp := check.Listen(t, "tcp", "127.0.0.1:0")
	pipe := check.Listen(t, "unix", filepath.Join(t.TempDir(), "winreg"))
	tcpFD, pipeFD := tcp.(*net.TCPListener), pipe.(*net.UnixListener)
	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	ls, err := Listeners([]sys.PassedFD{
		passed(t, tcpFD, "tcp"), passed(t, pipeFD, "np"), passed(t, pipeFD, "ncalrpc"), {FD: 0, Name: "parking-3"},
	}, "x.socket", "parking")
	check.OK(t, err)
	var got []string
	for _, l := range ls {
		got = append(got, l.String())
	}
	if want := `ncacn_ip_tcp:[` + port + `] ncacn_np:[\pipe\winreg] ncalrpc:[winreg]`; strings.Join(got, " ") != want {
		t.Errorf("listeners %v, want %s", got, want)
	}
	for want, fds := range map[string][]sys.PassedFD{
		"start x.socket":         nil,
		"unknown name":           {{FD: 0, Name: "http"}},
		"not a listening stream": {{FD: 0, Name: "tcp"}},
		"another address family": {passed(t, tcpFD, "np")},
		"address family":         {passed(t, pipeFD, "tcp")},
	} {
		if _, err := Listeners(fds, "x.socket", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestAcceptNext(t *testing.T) {
	if !acceptNext(unix.ECONNABORTED) || acceptNext(unix.EMFILE) || acceptNext(unix.EAGAIN) {
		t.Error("errors of a connection and of the listener are not told apart")
	}
}
