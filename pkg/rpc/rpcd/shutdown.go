// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns the end of a graceful stop: calls in progress are over.

// shutdown is the end of a graceful stop. What can be kept is parked as it is;
// others are closed, and told that it was no accident (C706 12.6.4.11).
func (l *loop) shutdown() {
	l.final, l.keepUntil = true, time.Now().Add(2*time.Second)
	var keep, end []*conn
	for _, c := range l.conns {
		switch {
		case c == nil:
		case l.keepLast(c):
			keep = append(keep, c)
		default:
			end = append(end, c)
		}
	}
	for _, c := range keep {
		if g := c.state.group; g != nil && g.lost {
			end = append(end, c)
		}
	}
	for _, c := range end {
		c.shut(l)
	}
	for _, c := range keep {
		if c.fd >= 0 && c.kept == nil { // the handles of another one could not be written down
			c.shut(l)
		}
	}
	for _, c := range keep {
		if c.fd >= 0 {
			l.conns[c.fd] = nil
			c.endSecurity()
			sys.Close(c.fd)
			l.open--
			l.passedOn = true
			l.ended() // the next process, if there is one, counts it as its own
		}
	}
}

// shut closes a connection whose client is to know that the server ends it.
func (c *conn) shut(l *loop) {
	if c.state.bound && len(c.out) == 0 {
		l.out = dcerpc.AppendShutdown(l.out[:0], dcerpc.Header{Drep: dcerpc.LittleEndian})
		c.frame(l, 0)
		c.send(l)
	}
	c.close(l)
}

// keepLast parks a connection with all that it holds.
func (l *loop) keepLast(c *conn) bool {
	if !l.keeps || c.phase == ending || c.running > 0 || !c.passable() {
		return false
	}
	if _, ok := c.saveSecurities(); !ok {
		return false
	}
	c.settle(l)
	if k := c.kept; k != nil && c.phase == serving {
		if c.rests() && !k.stale && !k.marked {
			return true // it is up to date
		}
		if !l.save(c) {
			return false
		}
		if _, err := unix.Pwrite(k.fd, markBytes(false), markAt); err != nil {
			l.unpark(c)
			return false
		}
		return true
	}
	l.unpark(c) // of an auth request more has come
	errno := l.park(c)
	for errno == unix.EAGAIN && l.manager.Wait(time.Until(l.keepUntil)) {
		errno = l.park(c)
	}
	return errno == 0
}
