// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// This file owns the names of slots in the descriptor store: "parking",
// "parking-1", ... for the ends that are read from, each with the suffix
// "-entry" for the end that is written to.

// Store returns what New needs: it gives a slot to the service manager and
// never blocks.
func Store(n *sys.Notifier) func(index, out, in int) bool {
	return func(index, out, in int) bool {
		name := layout.FDNameParking
		if index > 0 {
			name += "-" + strconv.Itoa(index)
		}
		return n.Send([]int32{int32(out)}, "FDSTORE=1", "FDNAME="+name) == 0 &&
			n.Send([]int32{int32(in)}, "FDSTORE=1", "FDNAME="+name+layout.ParkingEntry) == 0
	}
}

// Slots finds the slots among the passed descriptors, for Adopt, and returns
// all others as rest. One end alone (its start was cut short) is closed: nothing
// can have been parked in it, and the manager drops it as its peer is gone.
func Slots(fds []sys.PassedFD) (slots [][2]int, rest []sys.PassedFD) {
	ends := map[string][2]int{}
	for _, p := range fds {
		slot, entry := strings.CutSuffix(p.Name, layout.ParkingEntry)
		if !strings.HasPrefix(p.Name, layout.FDNameParking) {
			rest = append(rest, p)
			continue
		}
		pair, ok := ends[slot]
		if !ok {
			pair = [2]int{-1, -1}
		}
		end := 0
		if entry {
			end = 1
		}
		if pair[end] >= 0 {
			sys.Close(pair[end])
		}
		pair[end] = p.FD
		ends[slot] = pair
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		if pair := ends[name]; pair[0] < 0 || pair[1] < 0 {
			sys.Close(max(pair[0], pair[1]))
		} else {
			slots = append(slots, pair)
		}
	}
	return slots, rest
}
