// SPDX-License-Identifier: Apache-2.0

package rpcd

// The named pipe handshake of a listener of our own (direct activation). A
// connection that was handed over has it behind it.

import (
	"log/slog"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// readNPA does the named pipe handshake of a listener of our own.
func (c *conn) readNPA(l *loop) {
	for {
		want := npa.HeaderSize
		if len(c.npa) >= want {
			var rej *npa.Reject
			if want, rej = npa.Length(c.npa, l.env.MaxNPA); rej != nil {
				c.rejectNPA(l, rej)
				return
			}
			if want == len(c.npa) {
				break
			}
		}
		chunk := l.in[:min(want-len(c.npa), len(l.in))]
		n, errno := sys.Recv(c.fd, chunk, 0)
		if errno == unix.EAGAIN {
			c.watch(l)
			return
		}
		if errno != 0 || n == 0 {
			c.close(l)
			return
		}
		c.npa = append(c.npa, chunk[:n]...)
	}
	req, rej := npa.Parse(c.npa)
	if rej != nil {
		c.rejectNPA(l, rej)
		return
	}
	c.phase, c.npa, c.npaLevel = serving, c.npa[npa.HeaderSize:], req.Level
	c.known(l)
	if c.kept != nil { // with nothing of the request in its file
		l.parkLater(c)
		l.park(c)
	}
	reply := npa.AppendReply(l.out[:0], req.Level, npa.FileTypeMessage, npa.DeviceState, npa.Allocation, npa.StatusOK)
	n, errno := sys.Send(c.fd, reply)
	if errno != 0 || n != len(reply) || req.Flags&npa.ProbeOnly != 0 {
		c.close(l)
		return
	}
	c.watch(l)
}

func (c *conn) rejectNPA(l *loop, rej *npa.Reject) {
	c.complain(l, slog.LevelWarn, rej.Cause, journal.IDBadNPA, "named pipe auth refused: "+rej.Cause)
	sys.Send(c.fd, rej.Reply)
	c.close(l)
}
