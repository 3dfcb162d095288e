// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

func pair(t *testing.T, typ int) (a, b int) {
	t.Helper()
	p := check.Pair(t, typ)
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func TestMessageWithDescriptorsAndCredentials(t *testing.T) {
	a, b := pair(t, unix.SOCK_DGRAM)
	unix.SetsockoptInt(b, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	var m Msg
	for _, n := range []int{0, 1, 2, MaxFDs} {
		fds := make([]int32, n)
		for i := range fds {
			fds[i] = int32(a)
		}
		if e := m.Send(a, []byte("hello"), fds); e != 0 {
			t.Fatal(e)
		}
		buf := make([]byte, 16)
		k, nfds, e := m.Recv(b, buf, 0)
		if e != 0 || k != 5 || nfds != n || string(buf[:k]) != "hello" || m.Truncated {
			t.Errorf("%d descriptors: received %d bytes, %d descriptors, truncated %v, %v", n, k, nfds, m.Truncated, e)
		}
		if !m.HasCred || int(m.Cred.Pid) != os.Getpid() || int(m.Cred.Uid) != os.Getuid() {
			t.Errorf("credentials %v %+v", m.HasCred, m.Cred)
		}
		m.CloseFDs(nfds)
	}
	if e := m.Send(a, []byte("longer than the buffer"), nil); e != 0 {
		t.Fatal(e)
	}
	if _, _, e := m.Recv(b, make([]byte, 4), 0); e != 0 || !m.Truncated {
		t.Errorf("a cut message is not reported: %v", e)
	}
	if _, _, e := m.Recv(b, make([]byte, 4), 0); e != unix.EAGAIN {
		t.Errorf("empty queue: %v", e)
	}
}

// TestSendToNeedsNoConnection: by path, by abstract name, and after the node was
// made again.
func TestSendToNeedsNoConnection(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check.OK(t, err)
	defer unix.Close(fd)
	path := t.TempDir() + "/socket"
	var m Msg
	for _, name := range []string{path, path, "@msrpcd-test-" + fmt.Sprint(os.Getpid())} {
		os.Remove(path)
		to, err := NewAddress(name)
		check.OK(t, err)
		if e := m.SendTo(fd, to, []byte("early"), nil); e != unix.ENOENT && e != unix.ECONNREFUSED {
			t.Errorf("%s: %v before it is there", name, e)
		}
		l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		check.OK(t, err)
		check.OK(t, unix.Bind(l, &unix.SockaddrUnix{Name: name}))
		check.Is(t, name, 0, m.SendTo(fd, to, []byte("hello"), nil))
		buf := make([]byte, 16)
		if n, _, e := m.Recv(l, buf, 0); e != 0 || string(buf[:n]) != "hello" {
			t.Errorf("%s: received %q, %v", name, buf[:max(n, 0)], e)
		}
		unix.Close(l)
	}
	for _, name := range []string{"", "a\x00b", "/" + strings.Repeat("x", 107)} {
		if _, err := NewAddress(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestSendQueueIsEmptyOnceAllIsRead(t *testing.T) {
	a, b := pair(t, unix.SOCK_DGRAM)
	var m Msg
	m.Send(a, []byte("x"), nil)
	if n, e := SendQueue(a); e != 0 || n == 0 {
		t.Errorf("unread message: %d, %v", n, e)
	}
	m.Recv(b, make([]byte, 4), 0)
	if n, e := SendQueue(a); e != 0 || n != 0 {
		t.Errorf("after reading: %d, %v", n, e)
	}
}

func TestWarmPathDoesNotAllocate(t *testing.T) {
	a, b := pair(t, unix.SOCK_DGRAM)
	c, d := pair(t, unix.SOCK_STREAM)
	ep, err := NewEpoll()
	check.OK(t, err)
	ep.Add(b, unix.EPOLLIN, 1<<40|7)
	m, buf, fds := new(Msg), make([]byte, 64), []int32{int32(a)}
	allocs := testing.AllocsPerRun(100, func() {
		m.Send(a, buf[:5], fds)
		if n, _ := ep.Wait(-1); n != 1 {
			t.Error("no event")
		}
		if tok, ev := ep.Event(0); tok != 1<<40|7 || ev != unix.EPOLLIN {
			t.Errorf("event %x %x", tok, ev)
		}
		_, n, _ := m.Recv(b, buf, 0)
		m.CloseFDs(n)
		Send(c, buf[:9])
		if n, _ := Available(d); n != 9 {
			t.Errorf("%d bytes available, want 9", n)
		}
		Recv(d, buf, unix.MSG_PEEK)
		if n, _ := Recv(d, buf, 0); n != 9 {
			t.Errorf("read %d bytes, want 9", n)
		}
		if cred, _ := PeerCred(d); int(cred.Uid) != os.Getuid() {
			t.Errorf("peer %+v", cred)
		}
	})
	check.Is(t, "allocations", 0, allocs)
}

// TestSpin: a wait whose last sleep was short finds an event without one, and a
// long one ends that.
func TestSpin(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("there is nobody else to wait for")
	}
	ep, err := NewEpoll()
	check.OK(t, err)
	a, b := pair(t, unix.SOCK_STREAM)
	ep.Add(b, unix.EPOLLIN|unix.EPOLLET, 1)
	const limit = 200 * time.Millisecond // a busy host holds a test up for less
	ep.Spin(limit)
	for i, step := range []struct {
		write bool
		hot   bool // afterwards
	}{{true, true}, {true, true}, {false, false}, {false, false}, {true, true}} {
		want := 0
		if step.write {
			want = 1
			Send(a, []byte("x"))
		}
		start := time.Now()
		n, errno := ep.Wait(int(2 * limit / time.Millisecond))
		if n != want || errno != 0 || ep.hot != step.hot {
			t.Errorf("step %d: %d events, %v, hot %v after %v; want %d, hot %v", i, n, errno, ep.hot, time.Since(start), want, step.hot)
		}
	}
}

func TestPassedFDs(t *testing.T) {
	set := func(pid int, fds, names string) {
		t.Setenv("LISTEN_PID", fmt.Sprint(pid))
		t.Setenv("LISTEN_FDS", fds)
		t.Setenv("LISTEN_FDNAMES", names)
	}
	set(1, "2", "a:b")
	if fds, err := PassedFDs(); len(fds) != 0 || err != nil {
		t.Errorf("those of another process: %v, %v", fds, err)
	}
	set(os.Getpid(), "-1", "")
	if _, err := PassedFDs(); err == nil {
		t.Error("a negative number was accepted")
	}
	set(os.Getpid(), "0", "")
	if fds, err := PassedFDs(); len(fds) != 0 || err != nil || os.Getenv("LISTEN_FDS") != "" {
		t.Errorf("none: %v, %v, variables still set: %v", fds, err, os.Getenv("LISTEN_FDS") != "")
	}
}

// TestDescriptorLimitWithoutPrlimit: both ways say the same.
func TestDescriptorLimitWithoutPrlimit(t *testing.T) {
	text := check.File(t, "/proc/self/limits")
	want, err := DescriptorLimit()
	check.OK(t, err)
	if n, err := parseLimits(text); err != nil || n != want {
		t.Errorf("/proc/self/limits says %d, %v; getrlimit %d", n, err, want)
	}
	for _, bad := range []string{"", "Max open files", "Max open files  unlimited  4096 files", "Max open files -1 5 files"} {
		if n, err := parseLimits([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}
