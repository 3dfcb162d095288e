// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net"
	"testing"
	"time"
)

// Parking while the service manager does not read.

// TestParkingIsTriedAgain: nothing can be stored while the manager does not
// read; later everybody is parked.
func TestParkingIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.service.Hold.Lock()
	full, err := net.Dial("unixgram", r.notify)
	must(t, err)
	defer full.Close()
	for full.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err == nil; {
		_, err = full.Write([]byte("STATUS=full"))
	}
	r.start()
	var silent []net.Conn
	for range 10 {
		silent = append(silent, r.dial())
	}
	r.pending(10)
	r.served(r.dial()) // no client waits for the manager
	if n := r.broker.status.Broker().Parked.Load(); n != 0 {
		t.Fatalf("%d are parked while the manager does not read", n)
	}
	r.service.Hold.Unlock()
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 10 })
	r.service.Sync()
	r.stop()
	r.start()
	for _, c := range silent {
		r.served(c)
	}
}
