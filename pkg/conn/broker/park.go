// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
	"msrpcd/pkg/wire/printable"
)

// takeParking adopts the parking of an earlier incarnation. Slots are made and
// stored as they are needed.
func (b *Broker) takeParking(fds []sys.PassedFD) error {
	b.parking.lot = parking.New(parking.Store(b.manager.Notifier))
	b.parking.lot.Limit = b.cfg.MaxParked
	slots, _ := parking.Slots(fds)
	var taken []int32
	for _, pair := range slots {
		err := b.parking.lot.Adopt(pair[0], pair[1], func(slot int, e parking.Entry, fd int, npa []byte) {
			if b.restore(slot, e, fd, npa) {
				taken = append(taken, int32(fd))
			}
		})
		if err != nil {
			return err
		}
	}
	if len(taken) > 0 {
		b.log.Log(context.Background(), journal.Notice, printable.Count(len(taken), "parked connection")+" taken up", journal.MessageID, journal.IDParkingTaken)
	}
	slices.SortFunc(taken, func(x, y int32) int { return cmp.Compare(b.conns[x].accepted, b.conns[y].accepted) })
	for _, fd := range taken {
		b.enter(int(fd), parked)
	}
	for _, fd := range taken {
		b.advance(int(fd)) // nothing, where another one's bind or limit ended it
		b.keepLimits(int(fd))
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
		b.parking.lot.Remove(slot, e.ID)
		sys.Close(fd)
		return false
	}
	i := b.bindingIndex(at)
	c := b.admit(fd, i)
	c.id, c.accepted, c.slot = e.ID, e.Accepted, int16(slot)
	c.taken, c.request = taken, int32(request)
	b.waiting.heads += len(c.head())
	c.state = wantBind
	if b.bindings[i].Transport.Relayed() {
		c.state = wantNPA
		c.replied = replied
	}
	return true
}

// park puts a conn that waits into the parking. One that was there a moment before
// has left room for itself; others go behind those that are late.
func (b *Broker) park(fd int) {
	if !b.tryPark(fd) {
		b.parkLater(fd)
	}
}

// tryPark puts a conn that waits into the parking, and reports whether it is
// there.
func (b *Broker) tryPark(fd int) bool {
	c := &b.conns[fd]
	e := parking.Entry{ID: c.id, Accepted: c.accepted, Binding: b.bindings[c.binding].name}
	if c.replied {
		e.Flags |= parking.FlagReplied
	}
	slot, errno := b.parking.lot.Put(e, fd, c.taken)
	if errno != 0 {
		if b.parking.lot.Full() {
			b.logOnce(slog.LevelWarn, "parking", journal.IDLimit, fd,
				"the parking is full: a waiting connection would not outlive the broker; see MaxParked= in msrpcd.conf(5)")
		}
		return false
	}
	c.slot = int16(slot)
	b.move(fd, parked)
	return true
}

// parkLater lets a conn wait for a place in the parking.
func (b *Broker) parkLater(fd int) {
	b.retryParking()
	if b.conns[fd].stage != late {
		b.move(fd, late)
	}
}

// retryParking has the parking tried again after a while, if that is not to be
// done already.
func (b *Broker) retryParking() {
	if b.waiting.at[late].head == end && !b.parking.lotIncomplete {
		b.parking.retryAt = b.loop.Now + parkEvery
	}
}

// parkLate tries again to park those that are late, the oldest first, and to send
// what the lot had to drop.
func (b *Broker) parkLate() {
	b.parking.retryAt = b.loop.Now + parkEvery
	if b.parking.lotIncomplete {
		b.parking.lotIncomplete = !b.parking.lot.Mend()
	}
	for n := 0; b.waiting.at[late].head != end; n++ {
		if n == parkBatch {
			b.parking.retryAt = b.loop.Now
			return
		}
		if !b.tryPark(int(b.waiting.at[late].head)) {
			return
		}
	}
}

// unpark takes a conn out of the parking, whose state changes. It goes back when
// it waits again.
func (b *Broker) unpark(fd int) {
	c := &b.conns[fd]
	if c.stage != parked {
		return
	}
	b.parking.lot.Remove(int(c.slot), c.id)
	b.move(fd, loose)
	if b.parking.lot.Unkept() {
		b.noteIncomplete()
	}
}

// noteIncomplete has the lot mended soon.
func (b *Broker) noteIncomplete() {
	b.retryParking()
	b.parking.lotIncomplete = true
}
