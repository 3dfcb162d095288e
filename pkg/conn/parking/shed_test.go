// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// TestShedAndMend: what gave way stays a member, is not kept, and is kept again
// after Mend; a slot never gets more members than a message carries.
// lotOfOneSlot is a lot that gets one slot and no other, a descriptor to put in,
// and the ends of all slots that it asked for.
func lotOfOneSlot(t *testing.T) (l *Lot, fd int, slots *[][2]int) {
	var ends [][2]int
	l = New(func(_, out, in int) bool {
		dup := [2]int{}
		for i, fd := range []int{out, in} {
			n, err := unix.Dup(fd)
			check.OK(t, err)
			dup[i] = n
		}
		ends = append(ends, dup)
		return len(ends) == 1 // one slot, and no other one
	})
	var err error
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	check.OK(t, err)
	t.Cleanup(func() {
		unix.Close(fd)
		for _, e := range ends {
			unix.Close(e[0])
			unix.Close(e[1])
		}
	})
	return l, fd, &ends
}

func TestShedAndMend(t *testing.T) {
	l, fd, ends := lotOfOneSlot(t)
	if l.Shed() || l.Unkept() || !l.Mend() || l.Full() {
		t.Error("an empty lot has something to shed, is not kept, or is full")
	}
	put := func(id uint64) bool {
		_, errno := l.Put(Entry{ID: id, Binding: "ncacn_ip_tcp:[135]"}, fd, nil)
		return errno == 0
	}
	n := 0
	for id := uint64(1); id <= 10; id++ {
		if put(id) {
			n++
		}
	}
	if n != 10 || !l.Shed() || !l.Unkept() || l.Shed() || l.Len() != 10 {
		t.Fatalf("%d of 10 were put; after Shed unkept %t, %d members", n, l.Unkept(), l.Len())
	}
	check.Is(t, "bytes are left in the queue", 0, queued(t, (*ends)[0][0]))
	if !l.Mend() || l.Unkept() || queued(t, (*ends)[0][0]) == 0 {
		t.Error("Mend did not bring them back")
	}
	// A newcomer after Shed mends its slot, and the slot knows how full it is.
	l.Shed()
	for id := uint64(11); id <= 400; id++ {
		if put(id) {
			n++
		}
	}
	if l.Unkept() || n != 252 || l.Len() != n {
		t.Errorf("%d are in one slot, %d members, unkept %t; want 252", n, l.Len(), l.Unkept())
	}
	l.Shed()
	if !l.Remove(0, 5) || l.Unkept() || l.Len() != 251 {
		t.Errorf("after Remove: unkept %t, %d members", l.Unkept(), l.Len())
	}
}

// queued is how many bytes wait at an end of a slot.
func queued(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	check.OK(t, err)
	return n
}
