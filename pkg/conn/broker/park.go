// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// takeParking adopts the parking of an earlier incarnation. Slots are made and
// stored as they are needed.
func (b *Broker) takeParking(fds []sys.PassedFD) error {
	b.lot = parking.New(parking.Store(b.manager.Notifier))
	b.lot.Limit = b.cfg.MaxParked
	slots, _ := parking.Slots(fds)
	var taken []int32
	for _, pair := range slots {
		err := b.lot.Adopt(pair[0], pair[1], func(slot int, e parking.Entry, fd int, npa []byte) {
			if b.restore(slot, e, fd, npa) {
				taken = append(taken, int32(fd))
			}
		})
		if err != nil {
			return err
		}
	}
	if len(taken) > 0 {
		b.log.Log(context.Background(), journal.Notice, fmt.Sprintf("%d parked connections taken up", len(taken)), journal.MessageID, journal.IDParkingTaken)
	}
	slices.SortFunc(taken, func(x, y int32) int { return cmp.Compare(b.conns[x].accepted, b.conns[y].accepted) })
	for _, fd := range taken {
		b.enlist(int(fd))
		b.age(int(fd), inParked)
	}
	for _, fd := range taken {
		b.advance(int(fd)) // nothing, where another one's bind or limit ended it
	}
	return nil
}

// restore makes a conn of a parked connection, and reports whether it could.
func (b *Broker) restore(slot int, e parking.Entry, fd int, taken []byte) bool {
	at, ok := endpoint.Parse(e.Binding)
	replied := e.Flags&parking.FlagReplied != 0
	request := 0
	if ok && at.Transport.Relayed() {
		request = len(taken)
		if replied { // it is whole, and says how long it is
			var rej *npa.Reject
			request, rej = npa.Length(taken, b.cfg.MaxNPA)
			ok = rej == nil && request <= len(taken)
		}
	}
	if !ok || len(taken) != int(e.StateLen) || len(taken)-request >= maxPeek {
		b.lot.Take(slot, e.ID)
		sys.Close(fd)
		return false
	}
	i := b.bindingIndex(at)
	c := b.admit(fd, i)
	c.id, c.accepted, c.parked, c.slot = e.ID, e.Accepted, true, int16(slot)
	c.taken, c.request = taken, int32(request)
	b.heads += len(c.head())
	c.state = wantBind
	if b.bindings[i].Transport.Relayed() {
		c.state = wantNPA
		c.replied = replied
	}
	return true
}

// begin parks a conn that begins to wait, unless the loop is busy.
func (b *Broker) begin(fd int) {
	if b.prompt && b.conns[fd].age == inFresh {
		b.settle(fd)
	}
}

// settle parks a conn. Where others could not be parked it waits behind them.
func (b *Broker) settle(fd int) {
	if b.loose.head != end || !b.keep(fd) {
		b.loosen(fd)
	}
}

// keep puts a conn that waits into the parking too, and reports whether it is
// there.
func (b *Broker) keep(fd int) bool {
	c := &b.conns[fd]
	e := parking.Entry{ID: c.id, Accepted: c.accepted, Binding: b.bindings[c.binding].name}
	if c.replied {
		e.Flags |= parking.FlagReplied
	}
	slot, errno := b.lot.Put(e, fd, c.taken)
	if errno != 0 {
		if b.lot.Full() {
			b.logOnce(slog.LevelWarn, "parking", journal.IDLimit, fd,
				"the parking is full: a waiting connection would not outlive the broker; see MaxParked= in msrpcd.conf(5)")
		}
		return false
	}
	c.parked, c.slot = true, int16(slot)
	if c.age != inParked {
		b.age(fd, inParked)
	}
	return true
}

// loosen lets a conn wait for a place in the parking.
func (b *Broker) loosen(fd int) {
	if b.loose.head == end && !b.unsafe {
		b.parkAt = b.loop.Now + parkEvery
	}
	if b.conns[fd].age != inLoose {
		b.age(fd, inLoose)
	}
}

// parkLoose tries again to park who could not be parked, the oldest first, and
// to send what the lot had to drop.
func (b *Broker) parkLoose() {
	b.parkAt = b.loop.Now + parkEvery
	if b.unsafe {
		b.unsafe = !b.lot.Mend()
	}
	for n := 0; b.loose.head != end; n++ {
		if n == parkBatch {
			b.parkAt = b.loop.Now
			return
		}
		if !b.keep(int(b.loose.head)) {
			return
		}
	}
}

// repark takes a conn whose state has changed out of the parking. It goes back
// when it waits again.
func (b *Broker) repark(fd int) {
	if c := &b.conns[fd]; c.parked {
		b.unpark(c)
		b.age(fd, inFresh)
	}
}

// unpark takes a conn out of the parking.
func (b *Broker) unpark(c *conn) {
	if !c.parked {
		return
	}
	b.lot.Take(int(c.slot), c.id)
	c.parked = false
	if b.lot.Unkept() {
		b.noteUnsafe()
	}
}

// noteUnsafe has the lot mended soon.
func (b *Broker) noteUnsafe() {
	if !b.unsafe && b.loose.head == end {
		b.parkAt = b.loop.Now + parkEvery
	}
	b.unsafe = true
}
