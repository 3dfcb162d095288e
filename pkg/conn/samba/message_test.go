// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

var (
	idA = ServerID{PID: 20581, Unique: 0xbaabaa403bb07afe}
	idB = ServerID{PID: 20812, Unique: 0x040f24e0185ba13d}
)

// A status of Samba 4.17 as it went over the wire.
const capturedStatus = "0000000000000000" +
	"6550000000000000" + "00000000" + "ffffffff" + "fe7ab03b40aaabba" +
	"4c51000000000000" + "00000000" + "ffffffff" + "3da15b18e0240f04" +
	"a50f0000" + "000500000000000000"

func TestSingleDatagramIsAsCaptured(t *testing.T) {
	want, err := hex.DecodeString(capturedStatus)
	check.OK(t, err)
	o := NewOutgoing(64)
	n := copy(o.Body(), vector(t, "samba-4.17.00.worker_status.bin"))
	o.Finish(idA, idB, MsgWorkerStatus, n)
	for range 2 { // a datagram may be taken again
		d, last := o.Datagram()
		if diff := cmp.Diff(want, d); diff != "" || !last {
			t.Fatalf("last %v (-want +got):\n%s", last, diff)
		}
	}
	o.Sent()
	if o.Pending() {
		t.Error("a single datagram is still pending when sent")
	}
	var r Reassembler
	m, ok := r.Add(want)
	if !ok {
		t.Fatal("datagram not taken")
	}
	check.Same(t, Message{Dst: idA, Src: idB, Type: MsgWorkerStatus, Body: want[60:]}, m)
	s, ok := ParseWorkerStatus(m.Body)
	if d := cmp.Diff(WorkerStatus{Index: 5}, s); d != "" || !ok {
		t.Errorf("%v (-want +got):\n%s", ok, d)
	}
}

func TestMessagesOfEveryLengthSurviveFragments(t *testing.T) {
	var r Reassembler
	o := NewOutgoing(maxMessage)
	src := bytes.Repeat([]byte("0123456789abcdefg"), maxMessage/17+1)
	for _, n := range []int{0, 1, 963, 964, 965, 999, 1000, 1001, 1947, 1948, 1949, 2000, 4096, maxMessage - MessageHeader} {
		copy(o.Body(), src[:n])
		o.Finish(idA, idB, MsgNewClient, n)
		count := 0
		for o.Pending() {
			d, last := o.Datagram()
			if len(d) > DatagramSize {
				t.Fatalf("body of %d: datagram of %d bytes", n, len(d))
			}
			count++
			again, _ := o.Datagram()
			if !bytes.Equal(d, again) {
				t.Fatalf("body of %d: datagram %d is not the same when taken again", n, count)
			}
			m, ok := r.Add(bytes.Clone(d))
			if ok != last {
				t.Fatalf("body of %d: datagram %d: complete %v, last %v", n, count, ok, last)
			}
			if ok && !bytes.Equal(m.Body, src[:n]) {
				t.Fatalf("body of %d came out differently", n)
			}
			o.Sent()
		}
		want := 1
		if n > 964 {
			want = (n + MessageHeader + maxChunk - 1) / maxChunk
		}
		if count != want {
			t.Errorf("body of %d went in %d datagrams, want %d", n, count, want)
		}
	}
}

func fragment(pid uint32, cookie, total uint64, chunk string) []byte {
	b := binary.NativeEndian.AppendUint64(nil, cookie)
	b = binary.NativeEndian.AppendUint64(b, total)
	b = binary.NativeEndian.AppendUint32(b, pid)
	b = binary.NativeEndian.AppendUint32(b, 7)
	return append(b, chunk...)
}

func TestReassemblerIsBounded(t *testing.T) {
	half := strings.Repeat("x", MessageHeader)
	const total = 2 * MessageHeader
	add := func(r *Reassembler, d []byte, want bool) {
		t.Helper()
		if _, ok := r.Add(d); ok != want {
			t.Fatalf("complete %v, want %v", ok, want)
		}
	}
	var r Reassembler
	// a new cookie throws the old part away
	add(&r, fragment(1, 5, total, half), false)
	add(&r, fragment(1, 6, total, half), false)
	add(&r, fragment(1, 6, total, half), true)
	// nine senders: the first one's part is gone, the others' are not
	for pid := uint32(1); pid <= 9; pid++ {
		add(&r, fragment(pid, 5, total, half), false)
	}
	for pid := uint32(2); pid <= 9; pid++ {
		add(&r, fragment(pid, 5, total, half), true)
	}
	add(&r, fragment(1, 5, total, half), false)
	// what cannot be
	add(&r, fragment(1, 5, total, strings.Repeat("x", total)), false)
	add(&r, fragment(2, 5, maxMessage+1, half), false)
	add(&r, fragment(2, 5, 1<<63, half), false)
	add(&r, fragment(2, 5, 3, half), false)
	add(&r, fragment(2, 5, total, ""), false)
	add(&r, make([]byte, DatagramSize+1), false)
	add(&r, make([]byte, singleHeader+MessageHeader-1), false)
	add(&r, nil, false)
	for i := range r.part {
		if cap(r.part[i].buf) > maxMessage {
			t.Errorf("a part holds %d bytes", cap(r.part[i].buf))
		}
	}
}

func TestWorkerStatusOfEachLength(t *testing.T) {
	tests := []struct {
		hex  string
		want WorkerStatus
	}{
		{"010402000000", WorkerStatus{Group: 1, Index: 4, Connections: 2}},
		{"010400000000000000", WorkerStatus{Group: 1, Index: 4}},
		{"000300000001000000", WorkerStatus{Index: 3, Connections: 1}},
		{"000000002c0100000200000002000000", WorkerStatus{Index: 300, AssocGroups: 2, HasGroups: true, Connections: 2}},
	}
	for _, tt := range tests {
		b, err := hex.DecodeString(tt.hex)
		check.OK(t, err)
		got, ok := ParseWorkerStatus(b)
		if d := cmp.Diff(tt.want, got); d != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", tt.hex, ok, d)
		}
		for _, bad := range [][]byte{nil, b[:len(b)-1], append(b, 0)} {
			if _, ok := ParseWorkerStatus(bad); ok {
				t.Errorf("%x is taken", bad)
			}
		}
	}
}

func FuzzReassembler(f *testing.F) {
	status, _ := hex.DecodeString(capturedStatus)
	f.Add(status, []byte{})
	f.Add(fragment(1, 5, 60, strings.Repeat("a", 30)), fragment(1, 5, 60, strings.Repeat("b", 30)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var r Reassembler
		for _, d := range [][]byte{a, b, a} {
			m, ok := r.Add(d)
			if !ok {
				continue
			}
			if len(m.Body) > maxMessage {
				t.Fatalf("body of %d bytes", len(m.Body))
			}
			ParseWorkerStatus(m.Body)
			o := NewOutgoing(len(m.Body))
			n := copy(o.Body(), m.Body)
			o.Finish(m.Dst, m.Src, m.Type, n)
			for o.Pending() {
				if d, _ := o.Datagram(); len(d) > DatagramSize {
					t.Fatalf("datagram of %d bytes", len(d))
				}
				o.Sent()
			}
		}
	})
}
