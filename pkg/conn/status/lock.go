// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// ErrLocked says that another living process has the line.
var ErrLocked = errors.New("line is held by another process")

const brokerLine = -1

func lineOffset(i int) int64 {
	if i == brokerLine {
		return lineSize
	}
	return int64(3+2*i) * lineSize
}

func (f *File) lock(i int) error {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: lineOffset(i), Len: lineSize}
	err := unix.FcntlFlock(f.f.Fd(), unix.F_OFD_SETLK, &lk)
	if err == unix.EAGAIN || err == unix.EACCES {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock status line: %w", err)
	}
	return nil
}

func (f *File) alive(i int) bool {
	return sys.Locked(int(f.f.Fd()), lineOffset(i), lineSize)
}

// LockBroker takes the broker's line until Close. ErrLocked: another broker lives.
func (f *File) LockBroker() error { return f.lock(brokerLine) }

// LockWorker takes worker i's line until Close. ErrLocked: another worker i lives.
func (f *File) LockWorker(i int) error { return f.lock(i) }

// BrokerAlive reports whether a broker holds its line. Not for the broker itself.
func (f *File) BrokerAlive() bool { return f.alive(brokerLine) }

// WorkerAlive reports whether worker i holds its line. Not for that worker itself.
func (f *File) WorkerAlive(i int) bool { return f.alive(i) }

// Open connections of worker i by its line, never negative.
func (w *WorkerLine) Open() uint64 {
	c, r := w.Closed.Load(), w.Received.Load()
	if c > r {
		return 0
	}
	return r - c
}
