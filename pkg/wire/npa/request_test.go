// SPDX-License-Identifier: Apache-2.0

package npa

// What routing needs of a request, and the envelope around it.

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

func TestRequestsOfRealSamba(t *testing.T) {
	for name, b := range captured(t) {
		want := Request{Level: levelOf(name), Transport: TransportNP, ClientAddr: []byte("127.0.0.1")}
		if strings.Contains(name, "rpcd_winreg") { // rpcd_classic's own call at its start
			want.Transport, want.Flags = TransportNcalrpc, NeedIdle
		}
		got, rej := Parse(b)
		if rej != nil {
			t.Errorf("%s: %s", name, rej.Cause)
			continue
		}
		check.SameIn(t, name, want, got)
		for i := range b {
			total, rej := Length(b[:i], 64<<10)
			if rej != nil || i < 4 && total != 0 || i >= 4 && total != len(b) {
				t.Fatalf("%s: length from %d bytes: %d, %+v", name, i, total, rej)
			}
			if _, rej := Parse(b[:i]); rej == nil || rej.Reply != nil {
				t.Fatalf("%s: %d of %d bytes: %+v", name, i, len(b), rej)
			}
		}
	}
}

func TestLevel5(t *testing.T) {
	for needIdle, flags := range []uint32{0, NeedIdle} {
		got, rej := Parse(level5(read(t, user7), byte(needIdle)))
		if rej != nil {
			t.Fatal(rej.Cause)
		}
		want := Request{Level: Level5, Transport: TransportNP, Flags: flags, ClientAddr: []byte("127.0.0.1")}
		check.Same(t, want, got)
	}
}

func TestFlagsCountOnlyFromOneSID(t *testing.T) {
	b := read(t, system8)
	const flagsSID, sids = 0xd4, 0xc0
	if b[flagsSID+8] != 0x24 || b[sids] != 2 {
		t.Fatal("the captured request is another one")
	}
	sid := b[flagsSID : flagsSID+16]
	for _, c := range []struct {
		name string
		b    []byte
		want uint32
	}{
		{"probe only", patch(b, flagsSID+12, ProbeOnly), ProbeOnly},
		{"all flags", patch(b, flagsSID+12, 7), 7},
		{"two of them", patch(splice(b, flagsSID, 0, sid...), sids, 3, 0, 0, 0, 3), 0},
		{"another authority", patch(b, flagsSID+7, 21), 0},
		{"an authority above 32 bits", patch(b, flagsSID+2, 1), 0},
		{"another first number", patch(b, flagsSID+8, 0x25), 0},
		{"one number more", splice(patch(b, flagsSID+1, 3), flagsSID+16, 0, 0, 0, 0, 0), 0},
		{"bytes of the SID in the session key only", patch(patch(b, flagsSID+8, 0), 0x98, sid...), 0},
	} {
		got, rej := Parse(c.b)
		if rej != nil || got.Flags != c.want {
			t.Errorf("%s: flags %d, %+v", c.name, got.Flags, rej)
		}
	}
}

func TestTextsOfTheClient(t *testing.T) {
	b := read(t, user7)
	const addr = 0x40 // u32 max, offset, actual
	if string(b[addr+12:addr+22]) != "127.0.0.1\x00" {
		t.Fatal("the captured request is another one")
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"NUL comes early", patch(b, addr+15, 0), "127"},
		{"empty", patch(b, addr+12, 0), ""},
	} {
		got, rej := Parse(c.b)
		if rej != nil || string(got.ClientAddr) != c.want {
			t.Errorf("%s: %q, %+v", c.name, got.ClientAddr, rej)
		}
	}
}

// Routing and the reader of the whole identity refuse the same.
func TestBadRequests(t *testing.T) {
	b := read(t, user7)
	long := func(n int) []byte { return []byte{0, byte(n >> 16), byte(n >> 8), byte(n)} }
	for _, c := range []struct {
		name string
		b    []byte
		want *Reject
	}{
		{"empty", nil, RejectLength},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), RejectMagic},
		{"more than Samba's own limit", patch(b, 0, 1), RejectMagic},
		{"magic", patch(b, 7, 'm'), RejectMagic},
		{"length without level", append(long(11), "NPAM\x07\x00\x00\x00\x07\x00\x00"...), RejectLength},
		{"length of 4", append(long(0), b[4:]...), RejectLength},
		{"bytes behind", append(bytes.Clone(b), 0), RejectLength},
		{"cut", b[:len(b)-1], RejectLength},
		{"level 4", patch(b, 8, 4, 0, 0, 0, 4), RejectLevel},
		{"level 6", patch(b, 8, 6, 0, 0, 0, 6), RejectLevel},
		{"level 9", patch(b, 8, 9, 0, 0, 0, 9), RejectLevel},
		{"only a header, level 9", append(long(12), "NPAM\x09\x00\x00\x00\x09\x00\x00\x00"...), RejectLevel},
		{"tag is another level", patch(b, 12, 8), RejectRequest},
		{"only a header", append(long(12), "NPAM\x07\x00\x00\x00\x07\x00\x00\x00"...), RejectRequest},
		{"no session", patch(b, 0x2c, 0, 0, 0, 0), RejectRequest},
		{"no session info", patch(b, 0x80, 0, 0, 0, 0), RejectRequest},
		{"no token", patch(b, 0x88, 0, 0, 0, 0), RejectRequest},
		{"name of 4 GiB", patch(b, 0x30, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255), RejectRequest},
		{"name longer than its maximum", patch(b, 0x30, 2), RejectRequest},
		{"name with an offset", patch(b, 0x34, 1), RejectRequest},
		{"address without NUL", patch(b, 0x55, '1'), RejectRequest},
		{"credentials beyond the end", patch(b, 0x84, 0, 0, 0, 255), RejectRequest},
		{"session key beyond the end", patch(b, 0x9c, 0xf0, 255, 255, 255), RejectRequest},
		{"4 G SIDs", patch(b, 0xc8, 255, 255, 255, 255, 255, 255, 255, 255), RejectRequest},
		{"number of SIDs not that of the array", patch(b, 0xcc, 9), RejectRequest},
		{"SID of revision 2", patch(b, 0xd0, 2), RejectRequest},
		{"SID of 16 numbers", patch(b, 0xd1, 16), RejectRequest},
	} {
		got, rej := Parse(c.b)
		if rej != c.want {
			t.Errorf("%s: %+v, reject %+v, want %+v", c.name, got, rej, c.want)
		}
		want := ErrRequest
		if c.want == RejectLevel {
			want = ErrLevel
		}
		if s, err := ParseSession(c.b); !errors.Is(err, want) {
			t.Errorf("%s: %+v, error %v, want %v", c.name, s, err, want)
		}
	}
}

func TestLengthRefusesEarly(t *testing.T) {
	for _, c := range []struct {
		b     string
		total int
		rej   *Reject
	}{
		{"", 0, nil},
		{"G", 0, RejectMagic},
		{"\x05\x00\x0b", 0, RejectMagic},
		{"\x00\x00\x02", 0, nil},
		{"\x00\x00\x02\xe1", 0x2e5, nil},
		{"\x00\x00\x02\xe1NP", 0x2e5, nil},
		{"\x00\x00\x02\xe1Np", 0, RejectMagic},
		{"\x00\x00\x0f\xfcNPAM", 0x1000, nil},
		{"\x00\x00\x0f\xfd", 0, RejectLong},
		{"\x00\xff\xff\xff", 0, RejectLong},
		{"\x00\x00\x00\x0b", 0, RejectLength},
	} {
		total, rej := Length([]byte(c.b), 0x1000)
		if total != c.total || rej != c.rej {
			t.Errorf("%q: %d, %+v", c.b, total, rej)
		}
	}
}

func TestReplies(t *testing.T) {
	// As samba-dcerpcd 4.22 answers a request of level 8.
	ok := "\x00\x00\x00\x20NPAM\x08\x00\x00\x00\x08\x00\x00\x00" +
		"\x02\x00\xff\x05\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	got := AppendReply([]byte("x"), Level8, FileTypeMessage, DeviceState, Allocation, StatusOK)
	check.Same(t, "x"+ok, string(got))
	level := "\x00\x00\x00\x10NPAM\x00\x00\x00\x00\x00\x00\x00\x00\x48\x01\x00\xc0"
	check.Same(t, level, string(RejectLevel.Reply))
	if len(ok) != ReplySize {
		t.Errorf("%d bytes", len(ok))
	}
}

func TestNothingIsAllocated(t *testing.T) {
	b, bad := read(t, system8), patch(read(t, user7), 0xd0, 2)
	stream := framed(b[:100], 30, 1, 69)
	buf := make([]byte, 0, 128)
	n := testing.AllocsPerRun(100, func() {
		total, rej := Length(b[:8], 1<<20)
		if rej != nil || total != len(b) {
			t.Fatal(rej)
		}
		q, rej := Parse(b)
		if rej != nil || q.Flags != NeedIdle {
			t.Fatal(rej)
		}
		if _, rej := Parse(bad); rej == nil {
			t.Fatal("accepted")
		}
		buf = AppendReply(buf[:0], q.Level, FileTypeMessage, DeviceState, Allocation, StatusOK)
		if n, rej := Gather(buf[:100], stream); n != 100 || rej != nil {
			t.Fatal(n, rej)
		}
		if n, rej := Span(stream, 100); n != 106 || rej != nil {
			t.Fatal(n, rej)
		}
	})
	check.Is(t, "allocations", 0, n)
}

func BenchmarkParse(b *testing.B) {
	q := read(b, user7)
	b.ReportAllocs()
	for b.Loop() {
		if _, rej := Parse(q); rej != nil {
			b.Fatal(rej.Cause)
		}
	}
}

// FuzzParse checks that nothing is read outside the request, and that what is
// taken is taken whatever lies behind it.
func FuzzParse(f *testing.F) {
	for _, b := range captured(f) {
		f.Add(b)
	}
	f.Add(level5(read(f, user7), 1))
	f.Add([]byte("\x00\x00\x00\x0cNPAM\x09\x00\x00\x00\x09\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, rej := Parse(b[:len(b):len(b)])
		if rej != nil {
			return
		}
		if n, rej := Length(b, len(b)); n != len(b) || rej != nil {
			t.Fatalf("taken, though its length is %d, %+v", n, rej)
		}
		if len(q.ClientAddr) > len(b) || bytes.IndexByte(q.ClientAddr, 0) >= 0 {
			t.Fatalf("client address %q", q.ClientAddr)
		}
		if q.Level == Level5 && q.Flags&^NeedIdle != 0 {
			t.Fatalf("flags %d at level 5", q.Flags)
		}
	})
}
