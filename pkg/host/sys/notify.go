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
	to  *Address
	msg Msg
}

// NewNotifier finds $NOTIFY_SOCKET and takes it out of the environment,
// so that no child inherits it. Without the variable nothing is sent.
func NewNotifier() (*Notifier, error) {
	n := &Notifier{fd: -1}
	path := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	if path == "" {
		return n, nil
	}
	to, err := NewAddress(path)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	n.fd, n.to = fd, to
	return n, nil
}

// NoNotifier sends nothing. It is for servers that are a part of another program,
// whose NOTIFY_SOCKET is not theirs.
func NoNotifier() *Notifier { return &Notifier{fd: -1} }

// Connected reports whether there is a service manager.
func (n *Notifier) Connected() bool { return n.fd >= 0 }

// Wait waits a moment for the manager to read again, and reports whether the
// limit is not over yet. It is for a process that ends.
func (n *Notifier) Wait(limit time.Duration) bool {
	if n.fd < 0 || limit <= 0 {
		return false
	}
	time.Sleep(min(limit, 5*time.Millisecond))
	return true
}

// Send sends assignments such as "READY=1", one a line, with descriptors. It
// returns EAGAIN when the manager does not read right now.
func (n *Notifier) Send(fds []int32, assignments ...string) Errno {
	if n.fd < 0 {
		return 0
	}
	return n.msg.SendTo(n.fd, n.to, []byte(strings.Join(assignments, "\n")), fds)
}
