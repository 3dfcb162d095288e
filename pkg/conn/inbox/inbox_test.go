// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

// A rig is an inbox with a sender, which is this process, and endpoints of each
// transport, at which this process is the client too.
type rig struct {
	t      *testing.T
	in     *Inbox
	sender int
	dirs   Directories
}

func newRig(t *testing.T) *rig {
	dir := t.TempDir()
	r := &rig{t: t, dirs: Directories{NP: []byte(dir + "/np"), Ncalrpc: []byte(dir)}}
	r.must(os.Mkdir(dir+"/np", 0o700))
	pair := check.Pair(r.t, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK)
	r.must(unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	r.in, r.sender = New(pair[0], r.dirs), pair[1]
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	check.OK(r.t, err)
}

// descriptor is a copy of f's, for as long as the test runs.
func (r *rig) descriptor(f interface{ File() (*os.File, error) }) int32 {
	file, err := f.File()
	r.must(err)
	r.t.Cleanup(func() { file.Close() })
	return int32(file.Fd())
}

// listener listens at address.
func (r *rig) listener(network, address string) net.Listener {
	l := check.Listen(r.t, network, address)
	return l
}

// accepted is the server's end of a connection to address.
func (r *rig) accepted(network, address string) int32 {
	l := r.listener(network, address)
	check.Dial(r.t, network, l.Addr().String())
	c, err := l.Accept()
	r.must(err)
	r.t.Cleanup(func() { c.Close() })
	return r.descriptor(c.(interface{ File() (*os.File, error) }))
}

func (r *rig) pipe() int32 { return r.accepted("unix", string(r.dirs.NP)+"/winreg") }

func (r *rig) ncalrpc() int32 { return r.accepted("unix", string(r.dirs.Ncalrpc)+"/DEFAULT") }

// memfd is a file in memory with n bytes of content.
func (r *rig) memfd(n int) int32 {
	fd, err := unix.MemfdCreate("npa", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	r.must(err)
	r.t.Cleanup(func() { unix.Close(fd) })
	_, err = unix.Write(fd, bytes.Repeat([]byte{'i'}, n))
	r.must(err)
	return int32(fd)
}

// check hands over and returns what Receive and Check say.
func (r *rig) check(datagram []byte, fds ...int32) error {
	r.t.Helper()
	var tx sys.Msg
	if errno := tx.Send(r.sender, datagram, fds); errno != 0 {
		r.t.Fatal(errno)
	}
	n, errno := r.in.Receive()
	if errno != 0 {
		r.t.Fatal(errno)
	}
	return r.in.Check(n)
}

const (
	pipeBinding    = `ncacn_np:[\pipe\winreg]`
	ncalrpcBinding = "ncalrpc:[DEFAULT]"
)

// message is a hand-over with a bind; change makes it another one.
func message(binding string, change func(*handoff.Message)) []byte {
	m := handoff.Message{FragLength: 72, Binding: []byte(binding)}
	if change != nil {
		change(&m)
	}
	return m.Append(nil)
}

func identity(m *handoff.Message) { m.NPALevel, m.NPA = 7, []byte("identity") }

func noPDU(m *handoff.Message) { identity(m); m.FragLength, m.Flags = 0, handoff.FlagNoPDU }

func inMemfd(n uint32) func(*handoff.Message) {
	return func(m *handoff.Message) {
		m.NPALevel, m.NPALength, m.Flags = 7, n, handoff.FlagNPAInMemfd
	}
}

// handOvers are hand-overs, each of which lies but the first three, and what is said of it.
var handOvers = map[string]struct {
	want error
	hand func(r *rig) error
}{
	"a named pipe": {nil, func(r *rig) error { return r.check(message(pipeBinding, identity), r.pipe()) }},
	"a named pipe without DCE/RPC": {nil, func(r *rig) error {
		return r.check(message(pipeBinding, noPDU), r.pipe())
	}},
	"ncalrpc": {nil, func(r *rig) error { return r.check(message(ncalrpcBinding, nil), r.ncalrpc()) }},
	"not a hand-over": {handoff.ErrMagic, func(r *rig) error {
		return r.check([]byte("hello"), r.ncalrpc())
	}},
	"another sender": {ErrSender, func(r *rig) error {
		r.in.Trusted = [2]uint32{^uint32(0), ^uint32(0)}
		return r.check(message(ncalrpcBinding, nil), r.ncalrpc())
	}},
	"too long": {ErrTruncated, func(r *rig) error {
		r.must(unix.SetsockoptInt(r.sender, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
		return r.check(make([]byte, handoff.MaxDatagram+1), r.ncalrpc())
	}},
	"no descriptor": {ErrDescriptors, func(r *rig) error { return r.check(message(ncalrpcBinding, nil)) }},
	"two for one":   {ErrDescriptors, func(r *rig) error { return r.check(message(ncalrpcBinding, nil), r.ncalrpc(), 0) }},
	"one for two":   {ErrDescriptors, func(r *rig) error { return r.check(message(pipeBinding, inMemfd(8)), r.pipe()) }},
	"a file":        {ErrSocket, func(r *rig) error { return r.check(message(ncalrpcBinding, nil), r.memfd(1)) }},
	"a listener": {ErrSocket, func(r *rig) error {
		return r.check(message(ncalrpcBinding, nil), r.listening("unix", string(r.dirs.Ncalrpc)+"/x"))
	}},
	"a TCP listener": {ErrSocket, func(r *rig) error {
		return r.check(message("ncacn_ip_tcp:[135]", nil), r.listening("tcp", "127.0.0.1:0"))
	}},
	"a datagram": {ErrSocket, func(r *rig) error { return r.check(message(ncalrpcBinding, nil), int32(r.sender)) }},
	"no name":    {ErrSocket, func(r *rig) error { return r.check(message(ncalrpcBinding, nil), r.nameless()) }},
	"another place": {ErrDirectory, func(r *rig) error {
		return r.check(message(ncalrpcBinding, nil), r.accepted("unix", filepath.Join(r.t.TempDir(), "DEFAULT")))
	}},
	"a deeper place":   {ErrDirectory, func(r *rig) error { return r.deeper() }},
	"another node":     {ErrBinding, func(r *rig) error { return r.check(message("ncalrpc:[EPMAPPER]", nil), r.ncalrpc()) }},
	"another protocol": {ErrBinding, func(r *rig) error { return r.check(message(pipeBinding, identity), r.ncalrpc()) }},
	"another port":     {ErrBinding, func(r *rig) error { return r.check(message("ncacn_ip_tcp:[1]", nil), r.accepted("tcp", "127.0.0.1:0")) }},
	"pipe of a user": {ErrPipePeer, func(r *rig) error {
		r.in.RootUID++
		return r.check(message(pipeBinding, identity), r.pipe())
	}},
	"pipe without identity": {ErrNoIdentity, func(r *rig) error { return r.check(message(pipeBinding, nil), r.pipe()) }},
	"identity of ncalrpc":   {ErrIdentity, func(r *rig) error { return r.check(message(ncalrpcBinding, identity), r.ncalrpc()) }},
	"no DCE/RPC on ncalrpc": {ErrNotPipe, func(r *rig) error { return r.check(message(ncalrpcBinding, noPDU), r.ncalrpc()) }},
}

func TestEveryHandOverThatLiesIsRefused(t *testing.T) {
	for name, tt := range handOvers {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if err := tt.hand(r); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			r.in.Discard()
			if !r.in.Empty() {
				t.Error("something is left in the inbox")
			}
		})
	}
}

// listening is a listener's descriptor.
func (r *rig) listening(network, address string) int32 {
	return r.descriptor(r.listener(network, address).(interface{ File() (*os.File, error) }))
}

// nameless is one end of a socket pair, which has no node.
func (r *rig) nameless() int32 {
	pair := check.Pair(r.t, unix.SOCK_STREAM)
	r.t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	return int32(pair[0])
}

// deeper hands over a connection to a node in a directory of the pipes' one.
func (r *rig) deeper() error {
	r.must(os.Mkdir(string(r.dirs.NP)+"/x", 0o700))
	return r.check(message(pipeBinding, identity), r.accepted("unix", string(r.dirs.NP)+"/x/winreg"))
}

func TestIdentityIsReadFromAMemfdOfItsLengthOnly(t *testing.T) {
	plain := func(r *rig) int32 {
		f, err := os.Create(filepath.Join(r.t.TempDir(), "f"))
		r.must(err)
		r.t.Cleanup(func() { f.Close() })
		r.must(f.Truncate(8))
		return int32(f.Fd())
	}
	for name, tt := range map[string]struct {
		second func(r *rig) int32
		room   int
		want   error
	}{
		"a memfd":       {func(r *rig) int32 { return r.memfd(8) }, 8, nil},
		"a shorter one": {func(r *rig) int32 { return r.memfd(7) }, 8, ErrMemfd},
		"a longer one":  {func(r *rig) int32 { return r.memfd(9) }, 9, ErrMemfd},
		"no room":       {func(r *rig) int32 { return r.memfd(8) }, 7, ErrMemfd},
		"a file":        {plain, 8, ErrMemfd},
		"a socket":      {(*rig).nameless, 8, ErrMemfd},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.must(r.check(message(pipeBinding, inMemfd(8)), r.pipe(), tt.second(r)))
			got, err := r.in.AppendNPA(make([]byte, 0, tt.room))
			if !errors.Is(err, tt.want) || err == nil && string(got) != "iiiiiiii" {
				t.Errorf("got %q, %v; want %v", got, err, tt.want)
			}
			r.in.Discard()
		})
	}
}

func TestKeepLeavesTheConnectionAlone(t *testing.T) {
	r := newRig(t)
	r.must(r.check(message(pipeBinding, inMemfd(8)), r.pipe(), r.memfd(8)))
	second := int(r.in.rx.FDs[1])
	r.in.Release()
	defer unix.Close(r.in.Conn())
	if _, err := unix.FcntlInt(uintptr(second), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the memfd is open: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(r.in.Conn()), unix.F_GETFD, 0); err != nil {
		t.Errorf("the connection is closed: %v", err)
	}
}
