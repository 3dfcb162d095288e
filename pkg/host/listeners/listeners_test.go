// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

func TestParseTCPRow(t *testing.T) {
	for _, tc := range []struct {
		row  string
		want TCP
		bad  bool
	}{
		{row: "   0: 0100007F:C350 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0",
			want: TCP{Addr: "127.0.0.1", Port: 50000, Listening: true, Inode: 4711}},
		{row: "   1: 0100007F:C350 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712",
			want: TCP{Addr: "127.0.0.1", Port: 50000, Inode: 4712}},
		{row: "   2: 00000000000000000000000000000000:0087 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 9",
			want: TCP{Addr: "::", Port: 135, Listening: true, Inode: 9}},
		{row: "   3: 0000000000000000FFFF00000100007F:0087 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9",
			want: TCP{Addr: "127.0.0.1", Port: 135, Listening: true, Inode: 9}},
		{row: "", bad: true},
		{row: "   0: 0100007F 00000000:0000 0A 0 0 0 0 0 1", bad: true},
		{row: "   0: 0100007F:XX 00000000:0000 0A 0 0 0 0 0 1", bad: true},
		{row: "   0: 0100:0001 00000000:0000 0A 0 0 0 0 0 1", bad: true},
		{row: "   0: 0100007F:0001 00000000:0000 0A 0 0 0 0 0 -1", bad: true},
	} {
		got, err := parseTCPRow(tc.row)
		if (err != nil) != tc.bad {
			t.Errorf("%q: error %v", tc.row, err)
		}
		if d := cmp.Diff(tc.want, got); !tc.bad && d != "" {
			t.Errorf("%q: %s", tc.row, d)
		}
	}
}

func TestParseUnixRow(t *testing.T) {
	for _, tc := range []struct {
		row  string
		want Unix
		bad  bool
	}{
		{row: "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/samba/ncalrpc/np/winreg",
			want: Unix{Path: "/run/samba/ncalrpc/np/winreg", Listening: true, Inode: 12345}},
		{row: "0000000000000000: 00000002 00000000 00000000 0002 01     7 /run/with  two spaces ",
			want: Unix{Path: "/run/with  two spaces ", Inode: 7}},
		{row: "0000000000000000: 00000003 00000000 00000000 0001 03 99", want: Unix{Inode: 99}},
		{row: "0000000000000000: 00000003", bad: true},
		{row: "0: 0 0 zz 0 0 1", bad: true},
		{row: "0: 0 0 0 0 0 x", bad: true},
	} {
		got, err := parseUnixRow(tc.row)
		if (err != nil) != tc.bad {
			t.Errorf("%q: error %v", tc.row, err)
		}
		if d := cmp.Diff(tc.want, got); !tc.bad && d != "" {
			t.Errorf("%q: %s", tc.row, d)
		}
	}
}

func TestNodeIsMatchedByInode(t *testing.T) {
	s := &Snapshot{Unix: []Unix{
		{Path: "/np/winreg", Listening: true, Inode: 1, Node: 100},
		{Path: "/np/samr", Listening: false, Inode: 2, Node: 200},
		{Path: "/np/lsass", Listening: true, Inode: 3},
	}}
	for _, tc := range []struct {
		path  string
		ino   uint64
		exact bool
		state NodeState
		inode uint64
	}{
		{"/np/winreg", 100, true, NodeLive, 1},
		{"/np/winreg", 1<<32 | 100, true, NodeLive, 1},
		{"/np/winreg", 101, true, NodeDead, 0}, // bound again by a process that has ended
		{"/np/winreg", 101, false, NodeLive, 1},
		{"/np/samr", 200, true, NodeDead, 0},
		{"/np/lsass", 5, true, NodeLive, 3}, // no unix_diag
		{"/np/gone", 5, true, NodeDead, 0},
	} {
		if state, inode := s.node(tc.path, tc.ino, tc.exact, true); state != tc.state || inode != tc.inode {
			t.Errorf("%s %d: %v, %d", tc.path, tc.ino, state, inode)
		}
	}
}

func TestUnitOf(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/winbind.service\n":                                    "winbind.service",
		"0::/msrpc.slice/msrpc-winreg.slice/msrpc-worker-winreg@0.service\n":    "msrpc-worker-winreg@0.service",
		"12:pids:/x.service\n1:name=systemd:/system.slice/smbd.service\n0::/\n": "smbd.service",
		"0::/user.slice/user-0.slice/session-1.scope\n":                         "session-1.scope",
		"0::/system.slice/a.service/sub\n":                                      "a.service",
		"0::/init.scope\n":                                                      "init.scope",
		"0::/\n":                                                                "",
		"":                                                                      "",
		"rubbish":                                                               "",
	} {
		check.Is(t, fmt.Sprint(text), want, unitOf(text))
	}
}

// An inbox is a bound datagram socket: its node is told from one that another
// process has bound again.
func TestBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	check.OK(t, err)
	defer unix.Close(fd)
	check.OK(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	look := func() (NodeState, uint64) {
		s, err := Read()
		check.OK(t, err)
		return s.Bound(path)
	}
	if state, inode := look(); state != NodeLive || inode == 0 {
		t.Errorf("a bound node is %v", state)
	}
	for _, queued := range []bool{false, true} {
		if queued {
			check.OK(t, unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path}))
		}
		if s, err := Read(); err != nil || s.Queued(path) != queued {
			t.Errorf("queued %v, want %v, %v", s.Queued(path), queued, err)
		}
	}
	check.OK(t, os.Remove(path))
	if state, _ := look(); state != NodeAbsent {
		t.Errorf("no node is %v", state)
	}
	check.OK(t, os.WriteFile(path, nil, 0o600))
	if state, _ := look(); state != NodeAbsent {
		t.Errorf("a file is %v", state)
	}
}

// listen has a node that this process listens on.
func listen(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "node")
	l := check.Listen(t, "unix", path)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return path
}

// A live kernel agrees with all of the above.
func TestTakeSeesListenersAndTheirHolders(t *testing.T) {
	path := listen(t)
	tcp := check.Listen(t, "tcp", "127.0.0.1:0")

	s, err := Read()
	check.OK(t, err)
	state, inode := s.Node(path)
	if state != NodeLive {
		t.Fatalf("a node that is listened on is %v", state)
	}
	self := Holder{PID: os.Getpid(), Name: comm(t)}
	check.Same(t, []Holder{self}, s.Holders(inode))
	if s.HeldBySystemd(inode) {
		t.Error("this test is not PID 1")
	}
	port := tcp.Addr().(*net.TCPAddr).Port
	if l := s.ListenersOn(port); len(l) != 1 || l[0].Addr != "127.0.0.1" {
		t.Errorf("port %d: %+v", port, l)
	}
	if state, _ := s.Node(path + "-gone"); state != NodeAbsent {
		t.Errorf("no node is %v", state)
	}
}

// The node is taken over by another socket which then ends: the first still
// listens under the same name, but no client can reach it.
func TestTakeSeesANodeThatWasTakenOver(t *testing.T) {
	path := listen(t)
	check.OK(t, os.Remove(path))
	second, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check.OK(t, err)
	check.OK(t, unix.Bind(second, &unix.SockaddrUnix{Name: path}))
	unix.Close(second)
	s, err := Read()
	check.OK(t, err)
	want := NodeDead
	if _, err := unixSockets(); err != nil || !hasStableInodes(path) {
		want = NodeLive // by name alone the two look alike
	}
	if state, _ := s.Node(path); state != want {
		t.Errorf("a node taken over is %v, want %v", state, want)
	}
}

func comm(t *testing.T) string {
	b := check.File(t, fmt.Sprintf("/proc/%d/comm", os.Getpid()))
	return string(b[:len(b)-1])
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("heading\n   0: 0100007F:C350 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711\n"))
	f.Add([]byte("Num RefCount\n0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x\n"))
	f.Add(diagRequest())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Snapshot{}
		s.addTCP(b)
		s.addUnix(b)
		for _, u := range s.Unix {
			if u.Path == "" || u.Path[0] != '/' {
				t.Errorf("a socket without node: %+v", u)
			}
		}
		parseDiag(b, map[uint64]diag{})
	})
}
