// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file owns standard output and error. Under systemd they are streams to
// the journal: one that does not read would hold up the writer for ever.

// Stderr is standard error, through Output.
var Stderr = Output(os.Stderr)

// outputTime is how long all writes together wait for the journal.
const outputTime = time.Second

// Output returns f, or where f is a stream to the journal a writer that waits
// for it a second at most, in all: what it does not take then is lost.
func Output(f *os.File) io.Writer {
	if !IsStream(f) {
		return f
	}
	return &stream{fd: int(f.Fd()), left: outputTime}
}

// IsStream reports whether f goes to the journal: $JOURNAL_STREAM is the device
// and inode of such a stream (systemd.exec(5)).
func IsStream(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Mode()&fs.ModeSocket == 0 {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", uint64(sys.Dev), sys.Ino)
}

type stream struct {
	fd   int
	left time.Duration
}

// Write never fails: there is no other place to say it. The descriptor's flags
// stay as they are, since children have the same stream.
func (s *stream) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n, err := unix.SendmsgN(s.fd, rest, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			rest = rest[n:]
		case err == unix.EINTR:
		case err != unix.EAGAIN || !s.wait():
			return len(b), nil
		}
	}
	return len(b), nil
}

// wait waits for room, and reports whether there may be some.
func (s *stream) wait() bool {
	if s.left < time.Millisecond {
		return false
	}
	start := time.Now()
	unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, int(s.left/time.Millisecond))
	s.left -= time.Since(start)
	return true
}
