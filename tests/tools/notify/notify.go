// SPDX-License-Identifier: Apache-2.0

// Package notify is the service manager of tests, as far as a service under test
// talks to it: it reads NOTIFY_SOCKET and keeps the descriptors that are stored.
package notify

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

// Manager is one that reads all the time.
type Manager struct {
	Path string     // NOTIFY_SOCKET of the service
	Hold sync.Mutex // held, it does not read

	t      testing.TB
	mu     sync.Mutex
	stored []sys.PassedFD
	texts  chan string // that Wait has not seen
}

// Listen makes a manager whose socket is in dir.
func Listen(t testing.TB, dir string) *Manager {
	t.Helper()
	m := &Manager{Path: filepath.Join(dir, "notify"), t: t, texts: make(chan string, 1<<12)}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.Path})
	check.OK(t, err)
	t.Cleanup(func() {
		c.Close()
		for _, fd := range m.Stored() {
			unix.Close(fd.FD)
		}
	})
	go m.read(c)
	return m
}

func (m *Manager) read(c *net.UnixConn) {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		m.held()
		n, on, _, _, err := c.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		text := string(buf[:n])
		_, name, _ := strings.Cut(text, "FDNAME=")
		messages, _ := unix.ParseSocketControlMessage(oob[:on])
		for i := range messages {
			fds, _ := unix.ParseUnixRights(&messages[i])
			m.mu.Lock()
			for _, fd := range fds {
				m.stored = append(m.stored, sys.PassedFD{FD: fd, Name: name})
			}
			m.mu.Unlock()
		}
		if len(m.texts) == cap(m.texts) { // the test does not look at them
			<-m.texts
		}
		m.texts <- text
	}
}

// held waits while a test has it.
func (m *Manager) held() {
	m.Hold.Lock()
	defer m.Hold.Unlock()
}

// Stored are the descriptors in the store.
func (m *Manager) Stored() []sys.PassedFD {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored[:len(m.stored):len(m.stored)]
}

// Wait waits for a message that begins with text.
func (m *Manager) Wait(text string) {
	m.t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case got := <-m.texts:
			if strings.HasPrefix(got, text) {
				return
			}
		case <-late:
			m.t.Fatalf("the service does not say %s", text)
		}
	}
}

// Sync waits until all that was sent before is read.
func (m *Manager) Sync() {
	m.t.Helper()
	c, err := net.Dial("unixgram", m.Path)
	check.OK(m.t, err)
	defer c.Close()
	_, err = c.Write([]byte("BARRIER=1"))
	check.OK(m.t, err)
	m.Wait("BARRIER=1")
}
