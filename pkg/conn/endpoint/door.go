// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// Door is where clients come in: the listeners of a broker or a native rpcd, and
// what else brings connections, such as an inbox. When descriptors run out, a
// connection that says nothing makes room for one that may; when there is none,
// clients wait in the listen queue, and the Door looks again after a while: a
// listener is level-triggered, and would keep the loop from sleeping.
type Door struct {
	Listeners []Listener

	// Take serves a new connection of a listener, and reports whether the process
	// still holds it.
	Take func(fd, listener int) bool
	// Few reports whether few descriptors are left, now that fd is in use.
	Few func(fd int) bool
	// MakeRoom closes a connection that can be spared, but not keep, and reports
	// whether there was one.
	MakeRoom func(keep int) bool

	Loop   *event.Loop
	Log    *slog.Logger
	Causes *journal.Limiter

	watched []watched
	until   time.Duration // paused until then; 0: it is not
}

// watched is what the Door has the loop look at.
type watched struct {
	fd       int
	token    uint64
	listener bool
}

const (
	acceptBatch = 64                     // connections of one listener before the others' turn
	acceptPause = 100 * time.Millisecond // after accept failed for want of descriptors
)

// Open looks at the listeners; their events are of this kind and have the
// listener's index.
func (d *Door) Open(kind int) {
	for i, l := range d.Listeners {
		d.watch(watched{l.FD, event.Token(kind, 0, i), true})
	}
}

// Also looks at a descriptor from which the process takes connections itself.
func (d *Door) Also(fd int, token uint64) { d.watch(watched{fd, token, false}) }

func (d *Door) watch(w watched) {
	d.watched = append(d.watched, w)
	d.Loop.Add(w.fd, unix.EPOLLIN, w.token)
}

// Accept takes connections of a listener until it has none or the others should
// have their turn.
func (d *Door) Accept(listener int) {
	if d.Paused() {
		return // the event is from before
	}
	for range acceptBatch {
		fd, errno := sys.Accept(d.Listeners[listener].FD)
		if OutOfDescriptors(errno) && d.MakeRoom(-1) {
			fd, errno = sys.Accept(d.Listeners[listener].FD)
		}
		switch {
		case errno == 0:
		case errno == unix.EAGAIN:
			return
		case acceptNext(errno):
			continue
		default:
			d.Pause(errno)
			return
		}
		if d.Take(fd, listener) && d.Few(fd) && !d.MakeRoom(fd) {
			d.Pause(unix.EMFILE)
			return
		}
	}
}

// OutOfDescriptors reports whether an error says that the process or the host has
// no descriptor left.
func OutOfDescriptors(errno sys.Errno) bool { return errno == unix.EMFILE || errno == unix.ENFILE }

// acceptNext reports whether an error of accept concerns the one connection
// and not the listener, accept(2).
func acceptNext(errno sys.Errno) bool {
	switch errno {
	case unix.ECONNABORTED, unix.EINTR, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.EHOSTDOWN,
		unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.ENOPROTOOPT:
		return true
	}
	return false
}

// Paused reports whether clients have to wait.
func (d *Door) Paused() bool { return d.until > 0 }

// Pause looks at nothing for a moment: descriptors or memory are short.
func (d *Door) Pause(errno sys.Errno) {
	d.Causes.Log(d.Log, slog.LevelError, "accept", journal.IDAcceptFailed,
		"accept fails, new clients wait; look at LimitNOFILE= of this unit and at fs.file-max", journal.Error, errno.Error())
	d.Close(true)
	d.until = d.Loop.Now + acceptPause
}

// Hold lets the clients of the listeners wait for so long.
func (d *Door) Hold(wait time.Duration) {
	d.Close(false)
	if len(d.Listeners) > 0 {
		d.until = d.Loop.Now + wait
	}
}

// Close looks at the listeners no more, with all at nothing.
func (d *Door) Close(all bool) {
	for _, w := range d.watched {
		if all || w.listener {
			d.Loop.Delete(w.fd)
		}
	}
	d.until = 0
}

// Due is when Resume has something to do.
func (d *Door) Due() time.Duration {
	if d.Paused() {
		return d.until
	}
	return event.Never
}

// Resume ends a pause that is over, if there is a descriptor for the next
// connection, and reports whether it did. It is for each turn of the loop.
func (d *Door) Resume() bool {
	if !d.Paused() || d.Loop.Now < d.until {
		return false
	}
	fd, err := unix.FcntlInt(uintptr(d.watched[0].fd), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		sys.Close(fd)
	}
	if (err != nil || d.Few(fd)) && !d.MakeRoom(-1) {
		d.until = d.Loop.Now + acceptPause
		return false
	}
	d.until = 0
	for _, w := range d.watched {
		d.Loop.Add(w.fd, unix.EPOLLIN, w.token)
	}
	return true
}
