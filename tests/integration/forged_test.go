// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/journal"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// Hand-overs that root on the host sends to an inbox, each of which lies.

// forgery is a hand-over that a worker must not believe.
type forgery struct {
	name string
	data []byte
	fds  []int
	why  string
}

// TestForgedHandOversAreRefused sends them as root, whom a worker trusts.
func TestForgedHandOversAreRefused(t *testing.T) {
	h := boot(t, oneWorker).install()
	h.load("-net", "unix", "-addr", winregNcalrpc)
	request := vectors.Read(t, "samba/samba-4.17.npa_request.1.rpcd_classic.bin")
	identity := request[16:]
	tcp, local := tcpPair(t), unixConn(t, h.Path(winregNcalrpc))
	message := func(binding string, level uint32, npa []byte) []byte {
		m := handoff.Message{ConnID: 1, FragLength: 72, Binding: []byte(binding), NPALevel: level, NPALength: uint32(len(npa)), NPA: npa}
		return m.Append(nil)
	}
	port := fmt.Sprint(localPort(t, tcp))
	good := message("ncacn_ip_tcp:["+port+"]", 0, nil)
	pipe, _, err := os.Pipe()
	check.OK(t, err)
	defer pipe.Close()
	dgram, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	check.OK(t, err)
	defer unix.Close(dgram)
	file := int(pipe.Fd())
	list := []forgery{
		{"identity on TCP", message("ncacn_ip_tcp:["+port+"]", 7, identity), []int{tcp}, "did not come through a named pipe"},
		{"identity and binding of a pipe on TCP", message(`ncacn_np:[\pipe\winreg]`, 7, identity), []int{tcp}, "does not agree with the socket"},
		{"identity on a local client's end", message("ncalrpc:[rpcd_winreg]", 7, identity), []int{local}, "descriptor of the hand-over is not a connection"},
		{"shorter than it says", good[:len(good)-1], []int{tcp}, "longer or shorter than its fields say"},
		{"longer than it says", append(slices.Clone(good), 0), []int{tcp}, "longer or shorter than its fields say"},
		{"a single byte", good[:1], []int{tcp}, "datagram is not a hand-over"},
		{"no descriptor", good, nil, "does not carry the descriptors"},
		{"two descriptors", good, []int{tcp, tcp}, "does not carry the descriptors"},
		{"a pipe as descriptor", good, []int{file}, "descriptor of the hand-over is not a connection"},
		{"a datagram socket as descriptor", good, []int{dgram}, "descriptor of the hand-over is not a connection"},
		{"port of another", message("ncacn_ip_tcp:[1]", 0, nil), []int{tcp}, "does not agree with the socket"},
		{"no PDU to read", good, []int{tcp}, "not all there to be read"},
	}
	for _, f := range list {
		t.Run(f.name, func(t *testing.T) { h.refusesForgery(t, f) })
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-n", "20"); r.Conns != 20 {
		t.Errorf("clients afterwards: %+v", r)
	}
}

// refusesForgery sends f to worker 0 of winreg, which must count it as gone, say
// why, and keep its rpcd.
func (h *host) refusesForgery(t *testing.T, f forgery) {
	line := h.winreg().Worker(0)
	child := line.ChildPID.Load()
	received, open := line.Received.Load(), line.Open()
	h.sendTo("/run/msrpc/winreg/inbox-0", f.data, f.fds)
	h.eventually(func() error {
		if n := line.Received.Load() - received; n != 1 || line.Open() != open {
			return fmt.Errorf("received %d, open %d", n, line.Open())
		}
		return nil
	})
	h.eventually(func() error {
		if log := h.journal("MESSAGE_ID="+journal.IDHandoverRefused, "-o", "cat"); !strings.Contains(log, f.why) {
			return fmt.Errorf("%q is not in:\n%s", f.why, log)
		}
		return nil
	})
	if line.ChildPID.Load() != child {
		t.Error("the rpcd was disturbed")
	}
}

// sendTo sends one datagram to an inbox of the box, as root from outside.
func (h *host) sendTo(inbox string, data []byte, fds []int) {
	h.t.Helper()
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	check.OK(h.t, err)
	defer unix.Close(s)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	check.OK(h.t, unix.Sendmsg(s, data, rights, &unix.SockaddrUnix{Name: h.Path(inbox)}, 0))
}

// tcpPair is the server's end of a connection that has said nothing.
func tcpPair(t *testing.T) int {
	t.Helper()
	l := check.Listen(t, "tcp", "127.0.0.1:0")
	check.Dial(t, "tcp", l.Addr().String())
	s, err := l.Accept()
	check.OK(t, err)
	return descriptor(t, s)
}

func unixConn(t *testing.T, path string) int {
	t.Helper()
	c, err := net.Dial("unix", path)
	check.OK(t, err)
	return descriptor(t, c)
}

// descriptor is a copy of a connection's, non-blocking, until the test ends.
func descriptor(t *testing.T, c net.Conn) int {
	t.Helper()
	defer c.Close()
	f, err := c.(interface{ File() (*os.File, error) }).File()
	check.OK(t, err)
	t.Cleanup(func() { f.Close() })
	fd := int(f.Fd())
	unix.SetNonblock(fd, true)
	return fd
}

func localPort(t *testing.T, fd int) int {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	check.OK(t, err)
	return sa.(*unix.SockaddrInet4).Port
}
