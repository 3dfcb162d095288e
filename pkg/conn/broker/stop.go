// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
)

// This file owns the end of a broker that leaves connections to the next one.

// ErrReplaced is not a failure: systemd is to start the broker again.
var ErrReplaced = errors.New("the broker's program was replaced")

// replaced reports whether another program is at the broker's path and the next
// incarnation can have all that waits.
func (b *Broker) replaced() bool {
	if !b.self.Replaced(b.loop.Now) || b.waiting.at[late].head != end || b.parking.lot.Full() {
		return false
	}
	b.log.Log(context.Background(), journal.Notice, fmt.Sprintf("%s was replaced: the broker restarts and keeps the %d connections that wait", b.self.Path, b.waiting.n),
		journal.MessageID, journal.IDBrokerReplaced)
	return true
}

// finish parks what waits, for the next incarnation. The manager may need a
// moment until it takes what a new slot of the parking needs.
func (b *Broker) finish() {
	b.manager.Stopping()
	for limit := b.loop.Now + finishTime; ; b.loop.Tick() {
		for b.waiting.at[late].head != end && b.tryPark(int(b.waiting.at[late].head)) {
		}
		b.parking.lotIncomplete = !b.parking.lot.Mend()
		done := !b.parking.lotIncomplete && b.waiting.at[parked].n == b.waiting.n
		if done || b.parking.lot.Full() || b.loop.Now > limit {
			break
		}
		unix.Poll(nil, int(searchEvery/time.Millisecond))
	}
	if lost := b.waiting.at[late].n; lost > 0 {
		b.log.Error("the parking has no room: waiting connections are closed by this stop", "CONNECTIONS", lost, journal.MessageID, journal.IDLimit)
	}
}
