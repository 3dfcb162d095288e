// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier talks to the service manager (sd_notify(3)) without ever blocking:
// PID 1 does not read while it reloads. A message that finds no room is
// dropped or retried by the caller. The zero Notifier drops everything.
type Notifier struct {
	fd  int
	msg Msg
}

// NewNotifier connects to $NOTIFY_SOCKET and takes it out of the environment,
// so that no child inherits it. Without the variable nothing is sent.
func NewNotifier() (*Notifier, error) {
	n := &Notifier{fd: -1}
	path := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	if path == "" {
		return n, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to notify socket %s: %w", path, err)
	}
	n.fd = fd
	return n, nil
}

// Connected reports whether there is a service manager.
func (n *Notifier) Connected() bool { return n.fd >= 0 }

// Wait waits until the manager may read again, and reports whether it did in
// time. It is for a process that ends.
func (n *Notifier) Wait(limit time.Duration) bool {
	if n.fd < 0 {
		return false
	}
	p := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLOUT}}
	ready, err := unix.Poll(p, int(max(0, limit/time.Millisecond)))
	return err == unix.EINTR || ready > 0
}

// Send sends assignments such as "READY=1", one a line, with descriptors. It
// returns EAGAIN when the manager does not read right now.
func (n *Notifier) Send(fds []int32, assignments ...string) Errno {
	if n.fd < 0 {
		return 0
	}
	return n.msg.Send(n.fd, []byte(strings.Join(assignments, "\n")), fds)
}
