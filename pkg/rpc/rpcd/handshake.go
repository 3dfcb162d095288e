// SPDX-License-Identifier: Apache-2.0

package rpcd

// The named pipe handshake of a listener of our own (direct activation). A
// connection that was handed over has it behind it.

import (
	"log/slog"

	"msrpcd/pkg/conn/pipeauth"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/npa"
)

// readNPA does the named pipe handshake of a listener of our own.
func (c *conn) readNPA(l *loop) {
	request, outcome, rej := pipeauth.Receive(c.fd, c.npa, l.in[:], l.env.MaxNPA)
	c.npa = request
	switch outcome {
	case pipeauth.Part:
		c.watch(l)
		return
	case pipeauth.Gone:
		c.close(l)
		return
	case pipeauth.Refused:
		c.rejectNPA(l, rej)
		return
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
	if !pipeauth.RPC.Accept(c.fd, req.Level) || req.Flags&npa.ProbeOnly != 0 {
		c.close(l)
		return
	}
	c.watch(l)
}

func (c *conn) rejectNPA(l *loop, rej *npa.Reject) {
	c.complain(l, slog.LevelWarn, rej.Cause, journal.IDBadNPA, "named pipe auth refused: "+rej.Cause)
	pipeauth.Refuse(c.fd, rej)
	c.close(l)
}
