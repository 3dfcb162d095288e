// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"msrpcd/pkg/endpoint"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/parking"
	"msrpcd/pkg/sys"
)

// takeParking adopts the parking of an earlier incarnation. Slots are made and
// stored as they are needed.
func (b *Broker) takeParking(fds []sys.PassedFD) error {
	b.lot = parking.New(b.store)
	ends := map[string][2]int{}
	for _, p := range fds {
		slot, entry := strings.CutSuffix(p.Name, layout.ParkingEntry)
		if !strings.HasPrefix(p.Name, layout.FDNameParking) {
			continue
		}
		pair, ok := ends[slot]
		if !ok {
			pair = [2]int{-1, -1}
		}
		if entry {
			pair[1] = p.FD
		} else {
			pair[0] = p.FD
		}
		ends[slot] = pair
	}
	var taken []int
	for _, slot := range slices.Sorted(maps.Keys(ends)) {
		pair := ends[slot]
		if pair[0] < 0 || pair[1] < 0 {
			// One end alone (a start that was cut short) is of no use: nobody
			// can have been parked. The manager drops it as its peer is gone.
			sys.Close(max(pair[0], pair[1]))
			continue
		}
		err := b.lot.Adopt(pair[0], pair[1], func(slot int, e parking.Entry, fd int, npa []byte) {
			if b.restore(slot, e, fd, npa) {
				taken = append(taken, fd)
			}
		})
		if err != nil {
			return err
		}
	}
	if len(taken) > 0 {
		b.log.Info(fmt.Sprintf("%d parked connections taken up", len(taken)), journal.MessageID, journal.IDParkingTaken)
	}
	for _, fd := range taken {
		b.advance(fd)
	}
	return nil
}

// store gives the ends of a slot to the service manager.
func (b *Broker) store(index, out, in int) bool {
	name := layout.FDNameParking
	if index > 0 {
		name += fmt.Sprint("-", index)
	}
	return b.notify.Send([]int32{int32(out)}, "FDSTORE=1", "FDNAME="+name) == 0 &&
		b.notify.Send([]int32{int32(in)}, "FDSTORE=1", "FDNAME="+name+layout.ParkingEntry) == 0
}

// restore makes a conn of a parked connection, and reports whether it could.
func (b *Broker) restore(slot int, e parking.Entry, fd int, npa []byte) bool {
	at, ok := endpoint.Parse(e.Binding)
	if !ok || len(npa) != int(e.NPALen) {
		b.lot.Take(slot, e.ID)
		sys.Close(fd)
		return false
	}
	i := b.bindingIndex(at)
	c := b.admit(fd, i)
	c.id, c.accepted, c.parked, c.slot, c.npa = e.ID, e.Accepted, true, int16(slot), npa
	c.state = wantBind
	if b.bindings[i].Transport == layout.NP {
		c.state = wantNPA
		c.replied = e.Flags&parking.FlagReplied != 0
	}
	b.enlist(fd, inSlow)
	return true
}

// park puts a conn into the parking too, and reports whether it is there.
func (b *Broker) park(fd int) bool {
	c := &b.conns[fd]
	e := parking.Entry{ID: c.id, Accepted: c.accepted, Binding: b.bindings[c.binding].String()}
	if c.replied {
		e.Flags |= parking.FlagReplied
	}
	slot, errno := b.lot.Put(e, fd, c.npa)
	if errno != 0 {
		b.complain(slog.LevelWarn, "parking", journal.IDLimit, fd,
			"the parking is full: a waiting connection would not outlive a crash of the broker", journal.Error, errno.Error())
		return false
	}
	c.parked, c.slot = true, int16(slot)
	return true
}

// repark renews the entry of a parked conn whose state has changed.
func (b *Broker) repark(fd int) {
	c := &b.conns[fd]
	if !c.parked {
		return
	}
	b.unpark(c)
	b.park(fd)
}

// unpark takes a conn out of the parking.
func (b *Broker) unpark(c *conn) {
	if c.parked {
		b.lot.Take(int(c.slot), c.id)
		c.parked = false
	}
}
