// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/tests/tools/notify"
)

// A server that leaves serves its clients to their end; who comes meanwhile
// waits for the next process, but not for ever.
func TestServerLeavesWithItsLastConnection(t *testing.T) {
	defer func(d time.Duration) { leavePatience = d }(leavePatience)
	leavePatience = time.Second
	r := newRig(t).start()
	var clients []*client
	for _, tr := range transports {
		clients = append(clients, r.bound(tr, 0))
	}
	r.loop.Raise(status.DrainSignal)
	for range 2 {
		clients[0].works() // it has been heard
	}
	late := r.dial(layout.TCP)
	late.send(late.bind(0, presentTest))
	for _, c := range clients {
		c.works()
	}
	late.SetReadDeadline(time.Now().Add(leavePatience / 5))
	if n, err := late.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("who came late was answered at once: %d, %v", n, err)
	}
	late.SetReadDeadline(time.Now().Add(2 * leavePatience))
	if _, err := io.ReadFull(late, make([]byte, 16)); err != nil {
		t.Errorf("who came late was not served in the end: %v", err)
	}
	for _, c := range append(clients, late) {
		select {
		case <-r.done:
			t.Fatal("it ended while a client was connected")
		default:
		}
		c.Close()
	}
	r.ended()
	r.dial(layout.TCP).Close() // the listener is there for the next process
}

func TestServerWithoutConnectionLeavesAtOnce(t *testing.T) {
	r := newRig(t).start()
	r.loop.Raise(status.DrainSignal)
	r.ended()
}

// A server whose program was replaced restarts when nothing is lost by it.
func TestReplacedServerKeepsWhatItCan(t *testing.T) {
	for name, handle := range map[string]bool{"all can be kept": false, "a handle cannot": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "rpcd_test")
			must(t, os.WriteFile(path, []byte("old"), 0o755))
			must(t, os.Symlink(path, path+".exe"))
			t.Setenv("NOTIFY_SOCKET", notify.Listen(t, dir).Path)
			r := newRig(t)
			r.self = program.SelfOf(path + ".exe")
			r.start()
			c := r.bound(layout.TCP, 0)
			if handle {
				c.open(3)
			}
			must(t, os.WriteFile(path+".new", []byte("new"), 0o755))
			must(t, os.Rename(path+".new", path))
			if handle {
				for start := time.Now(); time.Since(start) < 2*replacedEvery; time.Sleep(10 * time.Millisecond) {
					c.works()
				}
				c.Close()
			}
			for {
				r.dial(layout.TCP).Close() // something to do
				select {
				case err := <-r.done:
					r.loop = nil
					if err != errReplaced || exitStatus(err) != layout.ExitReplaced {
						t.Errorf("it ended with %v", err)
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
}
