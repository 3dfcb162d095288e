// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/loopback"
	"msrpcd/tests/vectors"
)

// rig is a broker with real sockets: what systemd does for it is done by hand.
type rig struct {
	t        testing.TB
	cfg      Config
	broker   *Broker
	done     chan error
	tcp, np  net.Listener
	inboxes  map[int]int
	notify   string
	mu       sync.Mutex
	lot      []sys.PassedFD // the descriptor store
	barrier  chan struct{}  // a barrier was read
	received sys.Msg
	hold     sync.Mutex // held, the manager does not read
}

func newRig(t testing.TB) *rig {
	t.Helper()
	loopback.Need(t)
	dir := t.TempDir()
	old := layout.Runtime
	layout.Runtime = dir
	t.Cleanup(func() { layout.Runtime = old })
	r := &rig{t: t, inboxes: map[int]int{}, barrier: make(chan struct{}), cfg: Config{Values: setting.Values{Name: "test", Workers: 2, Spares: 2, IndexBits: 16,
		Limits: [source.Resources]source.Limit{source.Unbound: {Total: 100, Address: 100, User: 100}}, BindTimeout: 30 * time.Second, MaxNPA: 1 << 20}}}
	must(t, os.Mkdir(layout.RpcdDir("test"), 0o755))
	must(t, status.Prepare(layout.StatusFile("test"), 4, os.Getuid(), os.Getgid()))
	var err error
	r.tcp, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.np, err = net.Listen("unix", filepath.Join(dir, "winreg"))
	must(t, err)
	t.Cleanup(func() { r.tcp.Close(); r.np.Close() })
	r.manage()
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

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

// manage does what the service manager does with the descriptor store.
func (r *rig) manage() {
	path := filepath.Join(layout.Runtime, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	must(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	r.notify = path
	go func() {
		buf, oob := make([]byte, 4096), make([]byte, 64)
		for {
			r.hold.Lock() // waits while the manager is stuck
			_ = r.notify
			r.hold.Unlock()
			n, k, _, _, err := c.ReadMsgUnix(buf, oob)
			if err != nil {
				return
			}
			if string(buf[:n]) == barrier {
				r.barrier <- struct{}{}
				continue
			}
			_, name, found := strings.Cut(string(buf[:n]), "FDNAME=")
			msgs, err := unix.ParseSocketControlMessage(oob[:k])
			if !found || err != nil || len(msgs) != 1 {
				continue
			}
			if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil {
				r.mu.Lock()
				r.lot = append(r.lot, sys.PassedFD{FD: fds[0], Name: name})
				r.mu.Unlock()
			}
		}
	}()
}

// barrier is a message that the manager says to have read, and with it all
// before it, as it does before it looks after a process that has ended.
const barrier = "BARRIER=1"

// settled waits until the manager has read what was sent to its socket at path.
func (r *rig) settled(path string) {
	r.t.Helper()
	c, err := net.Dial("unixgram", path)
	must(r.t, err)
	defer c.Close()
	_, err = c.Write([]byte(barrier))
	must(r.t, err)
	<-r.barrier
}

// stored are copies of what is in the store.
func (r *rig) stored() (fds []sys.PassedFD) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.lot {
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
	r.settled(r.notify)
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

func TestBindIsHandedOverUnread(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.openInbox(1)
	r.start()
	for i := range 2 { // the groups are there
		r.broker.status.Worker(i).Groups.Store(1)
	}
	for i, group := range []uint32{0, 0x00010005, 0x00000007} {
		c := r.dial()
		c.Write(bindPDU(group))
		m, f := r.take(i % 2)
		port := r.tcp.Addr().(*net.TCPAddr).Port
		if m.AssocGroup != group || m.FragLength != 72 || string(m.Binding) != fmt.Sprintf("ncacn_ip_tcp:[%d]", port) {
			t.Errorf("hand-over %+v", m)
		}
		got := make([]byte, 72)
		if _, err := io.ReadFull(f, got); err != nil || string(got) != string(bindPDU(group)) {
			t.Errorf("the worker reads %x, %v", got, err)
		}
	}
}

func TestBindInSingleBytes(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.start()
	c := r.dial()
	c.(*net.TCPConn).SetNoDelay(true)
	for _, x := range bindPDU(0) {
		c.Write([]byte{x})
	}
	if m, _ := r.take(0); m.FragLength != 72 {
		t.Errorf("frag_length %d", m.FragLength)
	}
}

func TestBadFirstPDU(t *testing.T) {
	mod := func(f func(b []byte)) []byte {
		b := bindPDU(0)
		f(b)
		return b
	}
	tests := []struct {
		name string
		send []byte
		nak  bool
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), true},
		{"version 4", mod(func(b []byte) { b[0] = 4 }), true},
		{"version 4, header alone", mod(func(b []byte) { b[0] = 4 })[:16], true},
		{"unknown ptype", mod(func(b []byte) { b[2] = 99 }), false},
		{"a request first", mod(func(b []byte) { b[2] = 0 }), true},
		{"frag_length shorter than the bind", mod(func(b []byte) { b[8] = 20 }), true},
		{"contexts beyond the PDU", mod(func(b []byte) { b[24] = 9 }), true},
		{"auth beyond the PDU", mod(func(b []byte) { b[10] = 70 }), true},
	}
	r := newRig(t)
	r.openInbox(0)
	r.start()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			c.Write(tt.send)
			got, err := io.ReadAll(c)
			if err != nil || tt.nak != (len(got) == 24 && got[2] == 13) {
				t.Errorf("answer %x, %v; want a bind_nak: %v", got, err, tt.nak)
			}
		})
	}
	half := r.dial()
	half.Write(bindPDU(0)[:10])
	half.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(half); len(got) != 0 || os.IsTimeout(err) {
		t.Errorf("half a header and the end: answer %x, %v", got, err)
	}
	good := r.dial()
	good.Write(bindPDU(0))
	r.take(0) // nobody else was handed over before
}

func TestWaitingClientsOutliveTheBroker(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.start()
	silent, half := r.dial(), r.dial()
	half.Write(bindPDU(0)[:30])
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 2 })
	r.stop()
	r.start()
	silent.Write(bindPDU(0))
	r.take(0)
	half.Write(bindPDU(0)[30:])
	_, f := r.take(0)
	f.Close()
	// No copy of a served connection is left anywhere: its end arrives.
	if _, err := half.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the client does not see that the worker closed: %v", err)
	}
}

// npaRequest is what smbd sent for \pipe\winreg, with NEED_IDLE.
func npaRequest(t testing.TB) []byte {
	t.Helper()
	return vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
}

func (r *rig) pipe() net.Conn {
	r.t.Helper()
	c, err := net.Dial("unix", r.np.Addr().String())
	must(r.t, err)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Framed in two messages, as smbd may.
func framedBind() []byte {
	b := bindPDU(0)
	return slices.Concat([]byte{30, 0}, b[:30], []byte{42, 0}, b[30:])
}

func TestNamedPipe(t *testing.T) {
	r := newRig(t)
	r.openInbox(2) // the first spare: the request has NEED_IDLE
	r.start()
	req := npaRequest(t)
	for _, restartAt := range []string{"never", "half a request", "before the bind", "half a bind"} {
		t.Run(restartAt, func(t *testing.T) {
			c := r.pipe()
			restart := func(at string) {
				if at == restartAt {
					eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 1 })
					r.stop()
					r.start()
				}
			}
			c.Write(req[:100])
			restart("half a request")
			c.Write(req[100:])
			reply := make([]byte, 36)
			if _, err := io.ReadFull(c, reply); err != nil || string(reply[4:8]) != "NPAM" || reply[32] != 0 {
				t.Fatalf("reply %x, %v", reply, err)
			}
			restart("before the bind")
			c.Write(framedBind()[:50])
			restart("half a bind")
			c.Write(framedBind()[50:])
			m, f := r.take(2)
			if string(m.Binding) != `ncacn_np:[\pipe\winreg]` || m.NPALevel != 8 || string(m.NPA) != string(req[16:]) || m.FragLength != 72 {
				t.Errorf("hand-over %+v", m)
			}
			got := make([]byte, 76-len(m.Head)) // a slow test is read for what it has sent
			if _, err := io.ReadFull(f, got); err != nil || string(m.Head)+string(got) != string(framedBind()) {
				t.Errorf("the worker has %x and reads %x, %v", m.Head, got, err)
			}
			// The spare is idle again.
			w := r.broker.status.Worker(2)
			w.Received.Add(1)
			w.Closed.Add(1)
		})
	}
}

func TestBadNamedPipeRequest(t *testing.T) {
	r := newRig(t)
	r.start()
	level := npaRequest(t)
	level[8], level[12] = 99, 99
	long := npaRequest(t)
	long[0], long[1] = 0, 0xff
	for _, tt := range []struct {
		name   string
		send   []byte
		answer int
	}{
		{"rubbish", []byte("GET / HTTP/1.1\r\n\r\n"), 0},
		{"unknown level", level, 20},
		{"too long", long[:100], 0},
	} {
		c := r.pipe()
		c.Write(tt.send)
		if got, err := io.ReadAll(c); len(got) != tt.answer || os.IsTimeout(err) {
			t.Errorf("%s: answer %x, %v; want %d bytes", tt.name, got, err, tt.answer)
		}
	}
}

func TestInboxThatOpensLater(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.dial()
	c.Write(bindPDU(0))
	eventually(t, func() bool { return r.broker.status.Broker().Pending.Load() == 1 })
	r.openInbox(1)
	r.take(1)
}

func TestFullInboxLosesNobody(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Limits[source.Unbound].Total = 1, 10000
	r.openInbox(0)
	r.start()
	const n = 600
	for range n {
		c := r.dial()
		c.Write(bindPDU(0))
	}
	for range n {
		_, f := r.take(0)
		f.Close()
	}
}

func TestOldestSilentClientMakesRoom(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits[source.Unbound].Total = 3
	r.openInbox(0)
	r.start()
	var silent []net.Conn
	for range 5 {
		silent = append(silent, r.dial())
	}
	if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the oldest silent client reads %v, want EOF", err)
	}
	silent[4].Write(bindPDU(0))
	r.take(0)
}

func TestBindTimeout(t *testing.T) {
	r := newRig(t)
	r.cfg.BindTimeout = 50 * time.Millisecond
	r.start()
	c := r.dial()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent client reads %v, want EOF", err)
	}
}

func TestIdleExit(t *testing.T) {
	r := newRig(t)
	r.cfg.Idle = time.Millisecond
	r.start()
	r.dial().Close()
	select {
	case err := <-r.done:
		must(t, err)
		r.done <- nil
	case <-time.After(10 * time.Second):
		t.Error("the broker does not end")
	}
}
