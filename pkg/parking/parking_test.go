// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestEntryRoundTrip(t *testing.T) {
	for _, e := range []Entry{
		{ID: 1, Accepted: 123456789, Binding: []byte("ncacn_ip_tcp:[49152]"), NPA: []byte{}},
		{ID: 1 << 63, Flags: FlagReplied, Binding: []byte(`ncacn_np:[\pipe\winreg]`), NPALen: 4, NPA: []byte("abcd")},
		{ID: 7, Flags: FlagMemfd, Binding: []byte{}, NPALen: MaxNPA, NPA: []byte{}},
	} {
		b := e.Append(nil)
		var got Entry
		if err := got.Parse(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Error(d)
		}
		for cut := range b {
			if err := got.Parse(b[:cut]); err == nil && cut < headerSize+len(e.Binding) {
				t.Errorf("%d of %d bytes were accepted", cut, len(b))
			}
		}
	}
}

func FuzzEntry(f *testing.F) {
	e := Entry{ID: 1, Binding: []byte("ncalrpc:[EPMAPPER]"), NPALen: 2, NPA: []byte("xy")}
	f.Add(e.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Entry
		if e.Parse(b) == nil && string(e.Append(nil)) != string(b) {
			t.Errorf("%x does not encode back", b)
		}
	})
}

// client makes a connection and returns the end to park and its peer.
func client(t *testing.T) (parked, peer int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	return p[0], p[1]
}

func newLot(t *testing.T) *Lot {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(l.out); unix.Close(l.in) })
	return l
}

func gone(fd int) bool {
	n, err := unix.Read(fd, make([]byte, 1))
	return n == 0 && err == nil
}

func TestTakenConnectionEndsForItsPeer(t *testing.T) {
	l := newLot(t)
	var peers []int
	for id := range 5 {
		c, peer := client(t)
		if errno := l.Put(&Entry{ID: uint64(id + 1)}, c, -1); errno != 0 {
			t.Fatal(errno)
		}
		unix.Close(c)
		peers = append(peers, peer)
	}
	for _, id := range []uint64{3, 1, 5} {
		if !l.Take(id) || l.Take(id) {
			t.Errorf("entry %d was not there exactly once", id)
		}
	}
	for i, peer := range peers {
		if want := i == 0 || i == 2 || i == 4; gone(peer) != want {
			t.Errorf("connection %d: its end is seen: %v, want %v", i+1, !want, want)
		}
	}
	if l.Len() != 2 {
		t.Errorf("%d entries are left, want 2", l.Len())
	}
}

// restore returns what an incarnation finds, as text, and closes its copies.
func restore(t *testing.T, l *Lot) (got []string) {
	t.Helper()
	next, err := Adopt(l.out, l.in)
	if err != nil {
		t.Fatal(err)
	}
	err = next.Restore(func(e *Entry, fd, memfd int) {
		got = append(got, fmt.Sprintf("%d %s %s memfd=%v", e.ID, e.Binding, e.NPA, memfd >= 0))
		closeBoth(fd, memfd)
	})
	if err != nil {
		t.Fatal(err)
	}
	if next.Len() != len(got) {
		t.Errorf("the lot counts %d entries, want %d", next.Len(), len(got))
	}
	return got
}

func TestNextIncarnationFindsEveryEntryOnce(t *testing.T) {
	l := newLot(t)
	memfd, err := unix.MemfdCreate("npa", 0)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := client(t)
	b, _ := client(t)
	l.Put(&Entry{ID: 1, Binding: []byte("x"), NPA: []byte("hi"), NPALen: 2}, a, -1)
	l.Put(&Entry{ID: 2, Flags: FlagMemfd, Binding: []byte("y"), NPALen: 70000}, b, memfd)
	// What a crash in the middle of a round leaves: an entry twice, a marker, rubbish.
	l.Put(&Entry{ID: 1, Binding: []byte("x"), NPA: []byte("hi"), NPALen: 2}, a, -1)
	marker := Entry{Accepted: 42}
	l.msg.Send(l.in, marker.Append(nil), nil)
	l.msg.Send(l.in, []byte("rubbish"), []int32{int32(a)})
	for range 2 {
		want := []string{"1 x hi memfd=false", "2 y  memfd=true"}
		if d := cmp.Diff(want, restore(t, l)); d != "" {
			t.Error(d)
		}
	}
}

func TestFullLotIsRestoredWhole(t *testing.T) {
	l := newLot(t)
	c, _ := client(t)
	n := 0
	for ; ; n++ {
		if errno := l.Put(&Entry{ID: uint64(n + 1)}, c, -1); errno != 0 {
			if errno != unix.EAGAIN {
				t.Fatal(errno)
			}
			break
		}
	}
	if n < 200 {
		t.Errorf("the lot holds only %d entries", n)
	}
	if got := restore(t, l); len(got) != n {
		t.Errorf("restored %d of %d entries", len(got), n)
	}
	if !l.Take(uint64(n)) || !l.Take(1) {
		t.Error("an entry of the full lot can not be taken out")
	}
}

func TestAdoptRefusesOtherDescriptors(t *testing.T) {
	c, _ := client(t)
	if _, err := Adopt(c, c); err == nil {
		t.Error("a stream socket was taken for a parking end")
	}
}
