// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// How much a lot holds, and what it refuses.

func TestTenThousandFit(t *testing.T) {
	s := &store{}
	l := New(s.add)
	c, peer := client(t)
	const n = 10000
	slots := make([]int, n)
	for id := range n {
		slots[id] = put(t, l, uint64(id), c, nil)
	}
	if len(s.pairs) > MaxSlots {
		t.Errorf("%d slots", len(s.pairs))
	}
	if got := restore(t, s); len(got) != n {
		t.Errorf("restored %d of %d entries", len(got), n)
	}
	for id := range n {
		if !l.Remove(slots[id], uint64(id)) {
			t.Fatalf("entry %d is not there", id)
		}
	}
	unix.Close(c)
	if !gone(peer) {
		t.Error("a taken connection is still held somewhere")
	}
}

func TestFullLotSaysSo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the kernel lets an ordinary user have too few descriptors on their way (ETOOMANYREFS)")
	}
	s := &store{}
	l := New(s.add)
	c, _ := client(t)
	npa := bytes.Repeat([]byte("x"), 100)
	n := uint64(0)
	for ; ; n++ {
		if _, errno := l.Put(Entry{ID: n}, c, npa); errno != 0 {
			check.Is(t, "error", unix.EAGAIN, errno)
			break
		}
	}
	if n < 7000 || l.Len() != int(n) {
		t.Errorf("%d connections fit, %d are counted", n, l.Len())
	}
}

// TestStatesOfAnyLength: short ones are in the message, long ones and those that
// do not fit are in files, and all come back.
func TestStatesOfAnyLength(t *testing.T) {
	s := &store{}
	l := New(s.add)
	c, _ := client(t)
	var want []string
	files := 0
	for id := range uint64(600) {
		state := bytes.Repeat([]byte{byte('a' + id%26)}, int(id*20))
		slot := put(t, l, id, c, state)
		if id%3 == 0 {
			l.Remove(slot, id)
			slot, _ = l.PutFile(Entry{ID: id, Binding: fmt.Sprint("b", id%3)}, c, state)
		}
		if l.File(slot, id) >= 0 {
			files++
		} else if id%3 == 0 {
			t.Errorf("entry %d is in no file", id)
		}
		want = append(want, fmt.Sprintf("%d b%d %s", id, id%3, state))
	}
	slices.Sort(want)
	check.Same(t, want, restore(t, s))
	if files < 201 || files > 599 {
		t.Errorf("%d of 600 are in files", files)
	}
}

func TestParkingDoesNotAllocate(t *testing.T) {
	l := New((&store{}).add)
	c, _ := client(t)
	state := bytes.Repeat([]byte("x"), 900)
	if n := testing.AllocsPerRun(100, func() {
		slot, _ := l.Put(Entry{ID: 1, Binding: "ncacn_np:[x]"}, c, state)
		l.Remove(slot, 1)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNothingIsParkedThatIsNotStored(t *testing.T) {
	l := New(func(int, int, int) bool { return false })
	c, _ := client(t)
	if _, errno := l.Put(Entry{ID: 1}, c, nil); errno != unix.EAGAIN || l.Len() != 0 {
		t.Errorf("Put: %v, %d entries", errno, l.Len())
	}
}

func TestAdoptRefusesOtherDescriptors(t *testing.T) {
	c, peer := client(t)
	if err := New(nil).Adopt(c, peer, nil); err == nil {
		t.Error("a stream socket was taken for a parking end")
	}
}

func BenchmarkPutAndRemove(b *testing.B) {
	npa := bytes.Repeat([]byte("x"), 900)
	for _, waiting := range []int{0, 100, 1000, 10000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			l := New((&store{}).add)
			p, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			for id := range waiting {
				l.Put(Entry{ID: uint64(id)}, p[0], nil)
			}
			for b.Loop() {
				slot, _ := l.Put(Entry{ID: 1 << 40}, p[0], npa)
				l.Remove(slot, 1<<40)
			}
		})
	}
}
