// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

var some = []parsed{
	{Entry: Entry{ID: 1, Accepted: 123456789, Binding: "ncacn_ip_tcp:[49152]"}},
	{Entry: Entry{ID: 1 << 63, Flags: FlagReplied, Binding: `ncacn_np:[\pipe\winreg]`, StateLen: 4}, state: []byte("1234")},
	{Entry: Entry{ID: 7, Binding: "ncacn_ip_tcp:[49152]", Flags: flagFile, StateLen: 1 << 20}},
	{Entry: Entry{ID: 8}},
}

func message(entries []parsed) []byte {
	b := appendHeader(nil, len(entries))
	for i := range entries {
		b = appendEntry(b, &entries[i].Entry, entries[i].state)
	}
	return b
}

// same compares entries; no state and an empty one are equal.
func same(a, b []parsed) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(parsed{}), cmpopts.EquateEmpty())
}

func TestMessageRoundTrip(t *testing.T) {
	for n := range len(some) + 1 {
		b := message(some[:n])
		got, fds, err := parseMessage(b)
		check.OK(t, err)
		check.Is(t, "difference", "", same(some[:n], got))
		if want := n + min(n/3, 1); fds != want {
			t.Errorf("%d descriptors, want %d", fds, want)
		}
		for cut := range b {
			if _, _, err := parseMessage(b[:cut]); err == nil {
				t.Errorf("%d of %d bytes were accepted", cut, len(b))
			}
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(message(some))
	f.Add(message(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, fds, err := parseMessage(b)
		if err != nil {
			return
		}
		if fds < len(entries) || fds > 2*len(entries) {
			t.Errorf("%d descriptors for %d entries", fds, len(entries))
		}
		if again := message(entries); !bytes.Equal(b, again) {
			t.Errorf("%x comes back as %x", b, again)
		}
	})
}

// store is what the service manager keeps.
type store struct{ pairs [][2]int }

func (s *store) add(_, out, in int) bool {
	a, _ := unix.Dup(out)
	b, _ := unix.Dup(in)
	s.pairs = append(s.pairs, [2]int{a, b})
	return true
}

// client makes a connection and returns the end to park and its peer.
func client(t *testing.T) (parked, peer int) {
	t.Helper()
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	t.Cleanup(func() { unix.Close(p[1]) })
	return p[0], p[1]
}

func gone(fd int) bool {
	n, err := unix.Read(fd, make([]byte, 1))
	return n == 0 && err == nil
}

func put(t *testing.T, l *Lot, id uint64, fd int, state []byte) int {
	t.Helper()
	slot, errno := l.Put(Entry{ID: id, Binding: fmt.Sprint("b", id%3)}, fd, state)
	if errno != 0 {
		t.Fatalf("entry %d: %v", id, errno)
	}
	return slot
}

// restore returns what the next incarnation finds, as text, in order.
func restore(t *testing.T, s *store) (got []string) {
	t.Helper()
	l := New(func(int, int, int) bool { return false })
	for _, p := range s.pairs {
		a, _ := unix.Dup(p[0])
		b, _ := unix.Dup(p[1])
		err := l.Adopt(a, b, func(_ int, e Entry, fd int, state []byte) {
			got = append(got, fmt.Sprintf("%d %s %s", e.ID, e.Binding, state))
			unix.Close(fd)
		})
		check.OK(t, err)
	}
	if l.Len() != len(got) {
		t.Errorf("the lot counts %d entries, want %d", l.Len(), len(got))
	}
	slices.Sort(got)
	return got
}

func TestTakenConnectionEndsForItsPeer(t *testing.T) {
	s := &store{}
	l := New(s.add)
	var owned, peers, slots []int
	for id := range 12 {
		c, peer := client(t)
		slots = append(slots, put(t, l, uint64(id), c, nil))
		owned, peers = append(owned, c), append(peers, peer)
	}
	taken := []int{3, 0, 11, 5}
	for _, id := range taken {
		if !l.Remove(slots[id], uint64(id)) || l.Remove(slots[id], uint64(id)) {
			t.Errorf("entry %d was not there exactly once", id)
		}
	}
	if l.Len() != 8 || len(restore(t, s)) != 8 {
		t.Errorf("%d entries are left, want 8", l.Len())
	}
	for _, c := range owned { // as a crash does
		unix.Close(c)
	}
	for i, peer := range peers {
		if want := slices.Contains(taken, i); gone(peer) != want {
			t.Errorf("connection %d: its end is seen: %v, want %v", i, !want, want)
		}
	}
}

func TestNextIncarnationFindsEveryEntryOnce(t *testing.T) {
	s := &store{}
	l := New(s.add)
	a, _ := client(t)
	put(t, l, 1, a, []byte("request"))
	put(t, l, 2, a, nil)
	want := []string{"1 b1 request", "2 b2 "}
	for range 2 {
		check.Same(t, want, restore(t, s))
	}
	// What a crash between the new message and the old one's end leaves.
	var m sys.Msg
	m.Send(s.pairs[0][1], message([]parsed{{Entry: Entry{ID: 2, Binding: "b2"}}}), []int32{int32(a)})
	check.Same(t, []string{"2 b2 "}, restore(t, s))
	m.Send(s.pairs[0][1], []byte("rubbish"), []int32{int32(a)})
	if got := restore(t, s); len(got) != 0 {
		t.Errorf("of rubbish came %v", got)
	}
}
