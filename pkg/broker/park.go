// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/endpoint"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/parking"
	"msrpcd/pkg/sys"
)

// takeParking adopts the parking of an earlier incarnation, or makes one and
// has the service manager store it.
func (b *Broker) takeParking(fds []sys.PassedFD) error {
	out, in := -1, -1
	for _, p := range fds {
		switch p.Name {
		case layout.FDNameParking:
			out = p.FD
		case layout.FDNameParkIn:
			in = p.FD
		}
	}
	if out >= 0 && in >= 0 {
		lot, err := parking.Adopt(out, in)
		if err != nil {
			return err
		}
		b.lot, b.stored = lot, true
		return b.restore()
	}
	// One end alone (the first start was cut short) is of no use: nobody can
	// have been parked. The manager drops it as its peer is gone.
	for _, fd := range []int{out, in} {
		if fd >= 0 {
			sys.Close(fd)
		}
	}
	lot, err := parking.New()
	if err != nil {
		return err
	}
	b.lot = lot
	b.store()
	return nil
}

// store gives the parking's ends to the service manager. Without room in its
// socket it is tried again later; until then nothing is parked.
func (b *Broker) store() {
	out, in := b.lot.Ends()
	if errno := b.notify.Send([]int32{int32(out)}, "FDSTORE=1", "FDNAME="+layout.FDNameParking); errno != 0 {
		return
	}
	b.stored = b.notify.Send([]int32{int32(in)}, "FDSTORE=1", "FDNAME="+layout.FDNameParkIn) == 0
}

// restore takes up whoever an earlier incarnation had parked.
func (b *Broker) restore() error {
	var taken []int
	err := b.lot.Restore(func(e *parking.Entry, fd, memfd int) {
		i := none
		if at, ok := endpoint.Parse(string(e.Binding)); ok {
			i = b.bindingIndex(at)
		}
		npa := append([]byte(nil), e.NPA...)
		if memfd >= 0 {
			npa = make([]byte, e.NPALen)
			if n, err := unix.Pread(memfd, npa, 0); err != nil || n != len(npa) {
				i = none
			}
			unix.Close(memfd)
		}
		if i == none {
			b.lot.Take(e.ID)
			unix.Close(fd)
			return
		}
		c := b.admit(fd, i)
		c.id, c.accepted, c.parked, c.npa = e.ID, e.Accepted, true, npa
		c.state = wantBind
		if b.bindings[i].Transport == layout.NP {
			c.state = wantNPA
			c.replied = e.Flags&parking.FlagReplied != 0
		}
		b.enlist(fd, inSlow)
		taken = append(taken, fd)
	})
	if err != nil {
		return fmt.Errorf("restore parked connections: %w", err)
	}
	if len(taken) > 0 {
		b.log.Info(fmt.Sprintf("%d parked connections taken up", len(taken)), journal.MessageID, journal.IDParkingTaken)
	}
	for _, fd := range taken {
		b.advance(fd)
	}
	return nil
}

// park puts a conn into the parking too, and reports whether it is there.
func (b *Broker) park(fd int) bool {
	c := &b.conns[fd]
	if !b.stored {
		if b.store(); !b.stored {
			return false
		}
	}
	e := parking.Entry{
		ID: c.id, Accepted: c.accepted, Binding: b.bindings[c.binding].text,
		NPALen: uint32(len(c.npa)), NPA: c.npa,
	}
	if c.replied {
		e.Flags |= parking.FlagReplied
	}
	memfd := -1
	if len(c.npa) > parking.MaxInline {
		var err error
		if memfd, err = memfdOf(c.npa); err != nil {
			return false
		}
		defer unix.Close(memfd)
		e.Flags, e.NPA = e.Flags|parking.FlagMemfd, nil
	}
	errno := b.lot.Put(&e, fd, memfd)
	if errno != 0 {
		b.complain(slog.LevelWarn, "parking", journal.IDLimit, fd,
			"the parking is full: a waiting connection would not outlive a crash of the broker", journal.Error, errno.Error())
		return false
	}
	c.parked = true
	return true
}

// repark renews the entry of a parked conn whose state has changed.
func (b *Broker) repark(fd int) {
	c := &b.conns[fd]
	if !c.parked {
		return
	}
	b.lot.Take(c.id)
	c.parked = false
	b.park(fd)
}
