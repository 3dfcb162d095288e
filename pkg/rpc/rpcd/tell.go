// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// This file owns what the service manager and the status file learn. The loop
// never waits for the manager: what it does not read now comes later.

const (
	tellEvery  = time.Second
	readyRetry = 10 * time.Millisecond
)

// tellReady says READY=1; a manager that does not read, as in the middle of
// daemon-reload, comes again later.
func (l *loop) tellReady() error {
	switch errno := l.notify.Send(nil, "READY=1"); errno {
	case 0:
		l.ready = true
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
	default:
		return fmt.Errorf("tell systemd that we are ready: %w", errno)
	}
	return nil
}

// tell keeps the status file and systemctl's status line up to date.
func (l *loop) tell() {
	if l.line != nil {
		l.line.Groups.Store(uint32(len(l.groups.byID)))
	}
	if l.now-l.lastTell < tellEvery {
		return
	}
	if s := l.text(); s != l.told && l.notify.Send(nil, "STATUS="+s) == 0 {
		l.told = s
	}
	l.lastTell = l.now
}

func (l *loop) text() string {
	if l.open == l.lastOpen && l.lastText != "" {
		return l.lastText
	}
	l.lastOpen, l.lastText = l.open, fmt.Sprintf("Serving, %d connections", l.open)
	if l.leaving {
		l.lastText += "; ends with the last one, new clients go to other workers"
	}
	return l.lastText
}
