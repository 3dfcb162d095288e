// SPDX-License-Identifier: Apache-2.0

// Package loopback lets unit tests that talk TCP do without a network.
package loopback

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Need skips a test where 127.0.0.1 cannot be reached, as in a network namespace
// whose loopback is down.
func Need(t testing.TB) {
	t.Helper()
	if err := reachable(); err != nil {
		t.Skipf("the test talks TCP over loopback, which is down (ip link set lo up): %v", err)
	}
}

var reachable = sync.OnceValue(func() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err == nil {
		c.Close()
	}
	return err
})
