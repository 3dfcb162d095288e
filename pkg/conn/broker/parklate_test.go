// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// Parking while the service manager does not read.

// TestParkingIsTriedAgain: nothing can be stored while the manager does not
// read; later everybody is parked.
func TestParkingIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	read := r.notify
	stuck := filepath.Join(layout.Runtime, "stuck")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: stuck}))
	full, err := net.Dial("unixgram", stuck)
	must(t, err)
	defer full.Close()
	for full.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err == nil; {
		_, err = full.Write([]byte("STATUS=full"))
	}
	r.notify = stuck
	r.start()
	r.notify = read
	var silent []net.Conn
	for range 10 {
		silent = append(silent, r.dial())
	}
	r.pending(10)
	r.served(r.dial()) // nobody waits for the manager
	if n := r.broker.status.Broker().Parked.Load(); n != 0 {
		t.Fatalf("%d are parked while the manager does not read", n)
	}
	forward(t, fd, read)
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 10 })
	r.settled(stuck)
	r.stop()
	r.start()
	for _, c := range silent {
		r.served(c)
	}
}

// forward reads from a notify socket and sends what it reads to another one.
func forward(t *testing.T, from int, to string) {
	out, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Connect(out, &unix.SockaddrUnix{Name: to}))
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer unix.Close(out)
		buf := make([]byte, 4096)
		var m sys.Msg
		p := []unix.PollFd{{Fd: int32(from), Events: unix.POLLIN}}
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n, _ := unix.Poll(p, 10); n != 1 {
				continue
			}
			if n, nfds, errno := m.Recv(from, buf, 0); errno == 0 {
				fds := append([]int32(nil), m.FDs[:nfds]...)
				m.Send(out, buf[:n], fds)
				for _, fd := range fds {
					unix.Close(int(fd))
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}
