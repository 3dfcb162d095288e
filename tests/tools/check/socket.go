// SPDX-License-Identifier: Apache-2.0

package check

// This file owns sockets of tests: each is closed at the end of its test, and
// nothing waits for longer than a while.

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const while = 20 * time.Second

// Listen listens.
func Listen(t testing.TB, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	OK(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// Dial connects.
func Dial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	OK(t, err)
	OK(t, c.SetDeadline(time.Now().Add(while)))
	t.Cleanup(func() { c.Close() })
	return c
}

// Pair makes two unix sockets that are connected, of a type such as
// unix.SOCK_STREAM.
func Pair(t testing.TB, kind int) [2]int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	OK(t, err)
	return p
}
