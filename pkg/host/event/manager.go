// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

const (
	statusAfter = time.Second           // from a change to STATUS=
	readyRetry  = 10 * time.Millisecond // between tries to say READY=1
)

// Manager is the service manager, as far as a service reports to it: READY=1
// is said until it was accepted, the status line a second after it has changed,
// if it has not changed back: a client that comes and goes costs PID 1 nothing. PID 1 does not read while it reloads; what it does not take
// now is said again later, and nothing ever waits for it.
type Manager struct {
	*sys.Notifier
	text  func() string // makes the status line
	began bool          // Ready was called
	ready bool          // READY=1 was accepted
	told  string        // the status line that was accepted
	last  time.Duration // when the text may have changed first, or READY=1 was tried
	dirty bool          // the text may have changed since it was made
}

// NewManager finds the manager in the environment. text makes the status line.
func NewManager(text func() string) (*Manager, error) {
	n, err := sys.NewNotifier()
	return &Manager{Notifier: n, text: text}, err
}

// NoManager is for a server that is a part of another program.
func NoManager(text func() string) *Manager { return &Manager{Notifier: sys.NoNotifier(), text: text} }

// Ready says that the service is ready, and from now on how it is. Only a manager
// that cannot be reached at all is an error.
func (m *Manager) Ready(now time.Duration) error {
	m.began = true
	switch errno := m.say(now); errno {
	case 0, unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return nil
	default:
		return fmt.Errorf("say READY=1 to systemd: %w", errno)
	}
}

// Tell is for each turn of the loop.
func (m *Manager) Tell(now time.Duration) {
	if !m.dirty && m.ready {
		m.last = now
	}
	if m.dirty = true; m.began && now >= m.Due() {
		m.say(now)
	}
}

// say sends what is new.
func (m *Manager) say(now time.Duration) (errno sys.Errno) {
	text := m.text()
	m.last = now
	switch {
	case !m.ready:
		errno = m.Send(nil, "READY=1", "STATUS="+text)
	case text != m.told:
		errno = m.Send(nil, "STATUS="+text)
	}
	if m.dirty = errno != 0; !m.dirty {
		m.ready, m.told = true, text
	}
	return errno
}

// Due is when Tell has something to say.
func (m *Manager) Due() time.Duration {
	switch {
	case !m.began || m.ready && !m.dirty:
		return Never
	case !m.ready:
		return m.last + readyRetry
	}
	return m.last + statusAfter
}

// Stopping says that the service ends, and the status line as it is now.
func (m *Manager) Stopping() {
	text := m.text()
	if m.Send(nil, "STOPPING=1", "STATUS="+text) == 0 {
		m.told = text
	}
}
