// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
	"msrpcd/tests/tools/notify"
)

// rig is a broker with real sockets: what systemd does for it is done by hand.
type rig struct {
	t        testing.TB
	cfg      Config
	broker   *Broker
	done     chan error
	tcp, np  net.Listener
	inboxes  map[int]int
	service  *notify.Manager
	notify   string // NOTIFY_SOCKET
	received sys.Msg
}

func newRig(t testing.TB) *rig {
	t.Helper()
	loopback.Need(t)
	dir := t.TempDir()
	old := layout.Runtime
	layout.Runtime = dir
	t.Cleanup(func() { layout.Runtime = old })
	r := &rig{t: t, inboxes: map[int]int{}, cfg: Config{Values: setting.Values{Name: "test", Workers: 2, Spares: 2, IndexBits: 16,
		Limits: [source.Resources]source.Limit{source.Unbound: {Total: 100, Address: 100, User: 100}}, BindTimeout: 30 * time.Second, MaxNPA: 1 << 20}}}
	must(t, os.Mkdir(layout.RpcdDir("test"), 0o755))
	must(t, status.Prepare(layout.StatusFile("test"), 4, os.Getuid(), os.Getgid()))
	var err error
	r.tcp, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.np, err = net.Listen("unix", filepath.Join(dir, "winreg"))
	must(t, err)
	t.Cleanup(func() { r.tcp.Close(); r.np.Close() })
	r.service = notify.Listen(t, dir)
	r.notify = r.service.Path
	return r
}

var must = check.OK

// dupFD is a descriptor of the listener that the broker may own.
func dupFD(t testing.TB, l interface{ File() (*os.File, error) }) int {
	t.Helper()
	f, err := l.File()
	must(t, err)
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	must(t, err)
	must(t, unix.SetNonblock(fd, true))
	return fd
}

func (r *rig) start() {
	r.t.Helper()
	fds := append([]sys.PassedFD{
		{FD: dupFD(r.t, r.tcp.(*net.TCPListener)), Name: string(layout.TCP)},
		{FD: dupFD(r.t, r.np.(*net.UnixListener)), Name: string(layout.NP)},
	}, r.stored()...)
	os.Setenv("NOTIFY_SOCKET", r.notify)
	b, err := New(r.cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), fds)
	must(r.t, err)
	b.rootUID = uint32(os.Geteuid())
	r.broker, r.done = b, make(chan error, 1)
	go func() { r.done <- b.Run() }()
	r.t.Cleanup(r.stop)
}

// stored are copies of what is in the store.
func (r *rig) stored() (fds []sys.PassedFD) {
	for _, p := range r.service.Stored() {
		fds = append(fds, sys.PassedFD{FD: dup(r.t, p.FD), Name: p.Name})
	}
	return fds
}

func dup(t testing.TB, fd int) int {
	t.Helper()
	n, err := unix.Dup(fd)
	must(t, err)
	return n
}

// stop ends the broker as SIGTERM does; its parking stays in the store.
func (r *rig) stop() {
	if r.broker == nil {
		return
	}
	r.broker.loop.Raise(unix.SIGTERM)
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	r.service.Sync()
	r.broker.status.Close()
	for _, l := range r.broker.door.Listeners {
		unix.Close(l.FD)
	}
	for fd := range r.broker.conns {
		if r.broker.conns[fd].state != free {
			unix.Close(fd)
		}
	}
	r.broker = nil
}

func (r *rig) openInbox(i int) {
	r.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(r.t, err)
	must(r.t, unix.Bind(fd, &unix.SockaddrUnix{Name: layout.Inbox("test", i)}))
	r.t.Cleanup(func() { unix.Close(fd) })
	r.inboxes[i] = fd
}

// take waits for one hand-over in inbox i and returns it and its connection.
func (r *rig) take(i int) (handoff.Message, *os.File) {
	r.t.Helper()
	p := []unix.PollFd{{Fd: int32(r.inboxes[i]), Events: unix.POLLIN}}
	if n, err := unix.Poll(p, 5000); n != 1 {
		r.t.Fatalf("no hand-over in inbox %d: %v", i, err)
	}
	buf := make([]byte, handoff.MaxDatagram)
	n, nfds, errno := r.received.Recv(r.inboxes[i], buf, 0)
	if errno != 0 || nfds != 1 {
		r.t.Fatalf("hand-over with %d descriptors: %v", nfds, errno)
	}
	var m handoff.Message
	must(r.t, m.Parse(buf[:n]))
	f := os.NewFile(uintptr(r.received.FDs[0]), "conn")
	r.t.Cleanup(func() { f.Close() })
	return m, f
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.tcp.Addr().String())
	must(r.t, err)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits for a condition that another thread brings about.
func eventually(t testing.TB, cond func() bool) {
	t.Helper()
	limit := time.After(5 * time.Second)
	for tick := time.Tick(time.Millisecond); !cond(); {
		select {
		case <-tick:
		case <-limit:
			t.Fatal("it did not come about")
		}
	}
}

// bindPDU is a bind with one context and one transfer syntax, 72 bytes.
func bindPDU(group uint32) []byte {
	b := make([]byte, 72)
	copy(b, []byte{5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 7, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10})
	binary.LittleEndian.PutUint32(b[20:], group)
	b[24], b[30] = 1, 1
	return b
}
