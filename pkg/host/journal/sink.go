// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// This file owns the way to the journal's socket. No call waits: a message that
// the journal does not take at once joins a queue of bounded length, in order,
// and a goroutine that lives as long as the queue tries again. What the queue
// has no room for is counted, and the count is a message of its own as soon as
// the journal reads again.

const (
	socketPath = "/run/systemd/journal/socket"

	queueMessages = 16
	queueBytes    = 64 << 10
	retryFirst    = 20 * time.Millisecond
	retryLast     = time.Second
)

type sink struct {
	fd int
	to unix.SockaddrUnix // by name: journald's socket may be another one tomorrow
	of []byte            // fields of messages of the sink's own

	mu      sync.Mutex
	queue   [][]byte
	bytes   int // in queue
	dropped uint64
	drained chan struct{} // closed when the queue is empty; nil while it is
}

// openSink returns nil when there is no journal.
func openSink(path string) *sink {
	if unix.Access(path, unix.W_OK) != nil {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20) // cut to net.core.wmem_max
	return &sink{fd: fd, to: unix.SockaddrUnix{Name: path}}
}

// write sends a message, or queues or drops it.
func (s *sink) write(msg []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained == nil && s.send(msg) {
		return
	}
	if len(s.queue) == queueMessages || s.bytes+len(msg) > queueBytes {
		s.dropped++
	} else {
		s.queue = append(s.queue, msg)
		s.bytes += len(msg)
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
		go s.drain(s.drained)
	}
}

// send reports whether the journal has the message. Without a journal, as while
// its socket is restarted, it has not.
func (s *sink) send(msg []byte) bool {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	err := unix.Sendmsg(s.fd, msg, nil, &s.to, flags)
	if err != unix.EMSGSIZE {
		return err == nil
	}
	// Longer than a datagram: in a sealed file instead.
	fd, err := unix.MemfdCreate("journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if n, err := unix.Pwrite(fd, msg, 0); err != nil || n != len(msg) {
		return false
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return false
	}
	return unix.Sendmsg(s.fd, nil, unix.UnixRights(fd), &s.to, flags) == nil
}

// drain tries until the queue is empty, more and more seldom while the journal
// reads nothing.
func (s *sink) drain(done chan struct{}) {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		time.Sleep(wait)
		sent, empty := s.retry()
		if empty {
			close(done)
			return
		}
		if sent {
			wait = retryFirst / 2
		}
	}
}

// retry sends what it can, and reports whether that was anything and whether
// nothing is left.
func (s *sink) retry() (sent, empty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; len(s.queue) > 0; sent = true {
		if !s.send(s.queue[0]) {
			return sent, false
		}
		s.bytes -= len(s.queue[0])
		s.queue = s.queue[1:]
	}
	if s.dropped > 0 && !s.send(s.lost()) {
		return sent, false
	}
	s.queue, s.dropped, s.drained = nil, 0, nil
	return sent, true
}

// lost is the message about messages that were dropped.
func (s *sink) lost() []byte {
	b := appendField(nil, "MESSAGE", strconv.FormatUint(s.dropped, 10)+" messages were dropped because the journal did not read")
	b = appendField(b, "PRIORITY", priority(slog.LevelWarn))
	b = appendField(b, "SYSLOG_IDENTIFIER", identifier)
	b = appendField(b, MessageID, IDMessagesDropped)
	return append(b, s.of...)
}

// flush waits until nothing is queued, but no longer than limit.
func (s *sink) flush(limit time.Duration) {
	s.mu.Lock()
	drained := s.drained
	s.mu.Unlock()
	if drained == nil {
		return
	}
	select {
	case <-drained:
	case <-time.After(limit):
		s.retry()
	}
}
