// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
)

// A slow rpcd.

// While the rpcd does not read, one client is in hand and the others stay in
// the inbox; all are served when it goes on, also those of many datagrams.
func TestSlowRpcdLosesNobody(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	pid := int(f.line().ChildPID.Load())
	f.must(unix.Kill(pid, unix.SIGSTOP))
	var clients []*client
	stopped := true
	for i := range 300 {
		c := f.connect(layout.NP, "winreg")
		c.Write(framed(bind(t)))
		m := f.pipeMessage()
		if i%3 == 0 {
			m.NPA = bytes.Repeat(m.NPA, 5)
		}
		if stopped && unix.Sendmsg(f.sender, m.Append(nil), unix.UnixRights(int(c.server.Fd())), nil, unix.MSG_DONTWAIT) == unix.EAGAIN {
			f.must(unix.Kill(pid, unix.SIGCONT)) // all queues are full
			stopped = false
		}
		if !stopped {
			f.must(f.trySend(m, int(c.server.Fd())))
		}
		f.file.Sent(fixtureIndex).Sent.Add(1)
		c.server.Close()
		clients = append(clients, c)
	}
	f.must(unix.Kill(pid, unix.SIGCONT))
	for i, c := range clients {
		want := len(identity(t))
		if i%3 == 0 {
			want *= 5
		}
		if b := c.body(); !bytes.HasSuffix(b, identity(t)) || len(b) < want {
			t.Fatalf("client %d: body of %d bytes", i, len(b))
		}
		c.Close()
	}
}
