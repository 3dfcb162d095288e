// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"os"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// This file has the workers of a model: their inboxes, and what they say of
// themselves.

// fill leaves no room in inbox i until it is read.
func (m *model) fill(i int) {
	m.t.Helper()
	if m.inboxes[i] == 0 {
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(m.t, err)
	defer unix.Close(fd)
	for unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: layout.Inbox("test", i)}) == nil {
	}
}

// read has worker i take all that is in its inbox.
func (m *model) read(i int) {
	m.t.Helper()
	buf := make([]byte, handoff.MaxDatagram)
	for {
		_, nfds, errno := m.received.Recv(m.inboxes[i], buf, unix.MSG_DONTWAIT)
		if errno != 0 {
			return
		}
		if nfds == 0 { // fill
			continue
		}
		sa, err := unix.Getpeername(int(m.received.FDs[0]))
		w := m.b.status.Worker(i)
		w.Received.Add(1)
		w.Closed.Add(1)
		m.received.CloseFDs(nfds)
		for _, p := range m.peers {
			if err == nil && p.name == nameOf(sa) {
				if p.handed {
					m.t.Errorf("client %s is handed over twice", p.name)
				}
				p.handed = true
			}
		}
	}
}

func (m *model) toggleInbox(i int) {
	if fd, open := m.inboxes[i]; open {
		m.read(i)
		unix.Close(fd)
		os.Remove(layout.Inbox("test", i))
		delete(m.inboxes, i)
		return
	}
	m.openInbox(i)
	m.b.status.Worker(i).Groups.Store(uint32(m.script.next(2)))
}

// live starts or ends the process of worker i, or has it say something else of
// itself.
func (m *model) live(i int) {
	m.t.Helper()
	if m.script.next(3) == 0 {
		m.end(i)
		return
	}
	if m.alive[i] == nil {
		f, err := status.Open(layout.StatusFile("test"), true)
		must(m.t, err)
		must(m.t, f.LockWorker(i))
		f.Worker(i).StartID.Add(1)
		m.alive[i] = f
	}
	flags := []uint32{status.Ready, status.Ready, status.Ready | status.Draining, status.Ready | status.Leaving}
	m.alive[i].Worker(i).Flags.Store(flags[m.script.next(len(flags))])
}

func (m *model) end(i int) {
	if m.alive[i] != nil {
		m.alive[i].Close()
		m.alive[i] = nil
	}
}
