// SPDX-License-Identifier: Apache-2.0

package npa

import (
	"bytes"
	"testing"
)

// framed puts payload into messages of the given sizes; the last one announces
// its size even if there is less payload left.
func framed(payload []byte, sizes ...int) []byte {
	var s []byte
	for _, n := range sizes {
		s = append(s, byte(n), byte(n>>8))
		n = min(n, len(payload))
		s = append(s, payload[:n]...)
		payload = payload[n:]
	}
	return s
}

func TestFraming(t *testing.T) {
	pdu := []byte("0123456789abcdefghijklmnopqrst") // 30 bytes
	behind := []byte("\x05\x00what comes after it")
	ones := make([]int, len(pdu))
	for i := range ones {
		ones[i] = 1
	}
	for _, c := range []struct {
		name   string
		stream []byte
		total  int
		rej    *Reject
	}{
		{"one message", framed(pdu, 30), 32, nil},
		{"more messages follow", append(framed(pdu, 30), behind...), 32, nil},
		{"two messages", append(framed(pdu, 10, 20), behind...), 34, nil},
		{"single bytes", framed(pdu, ones...), 90, nil},
		{"excess in the one message", framed(append(bytes.Clone(pdu), 'x'), 31), 32, RejectExcess},
		{"excess in the last message", framed(append(bytes.Clone(pdu), 'x'), 10, 21), 34, RejectExcess},
		{"excess that is only announced", framed(pdu, 65535), 32, RejectExcess},
		{"empty message first", framed(pdu, 0, 30), 0, RejectEmpty},
		{"empty message between", framed(pdu, 10, 0, 20), 12, RejectEmpty},
		{"empty message after the PDU", framed(pdu, 30, 0), 32, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			total, rej := Span(c.stream, len(pdu))
			if total != c.total || rej != c.rej {
				t.Fatalf("span %d, reject %+v", total, rej)
			}
			buf := make([]byte, len(pdu))
			n, rej := Gather(buf, c.stream)
			if c.rej == RejectEmpty {
				if rej != RejectEmpty {
					t.Fatalf("gathered %d bytes, reject %+v", n, rej)
				}
				return
			}
			if rej != nil || !bytes.Equal(buf[:n], pdu) {
				t.Fatalf("gathered %q, reject %+v", buf[:n], rej)
			}
			if c.rej == nil {
				readExactly(t, c.stream, pdu, c.total)
			}
		})
	}
}

// readExactly is what a worker does: it reads no byte that is not the PDU's.
func readExactly(t *testing.T, stream, pdu []byte, total int) {
	t.Helper()
	have := 2 + len(pdu)
	for {
		n, rej := Span(stream[:have], len(pdu))
		if rej != nil || n > total || n < have {
			t.Fatalf("span of %d bytes: %d, reject %+v", have, n, rej)
		}
		if n == have {
			break
		}
		have = n
	}
	b := bytes.Clone(stream[:have])
	n, rej := Gather(b[:len(pdu)], b) // in place
	if have != total || rej != nil || !bytes.Equal(b[:n], pdu) {
		t.Fatalf("read %d bytes, gathered %q, reject %+v", have, b[:n], rej)
	}
}

func TestNeedNeverAsksForTooMuch(t *testing.T) {
	stream := framed([]byte("0123456789"), 3, 1, 6)
	for n, total := range []int{0, 3, 4, 5, 8, 11, 12, 13, 14, 15, 16} {
		for have := 0; have <= len(stream); have++ {
			need := Need(stream[:have], n)
			if need > total || have == len(stream) && need != total {
				t.Errorf("%d bytes of payload, %d of the stream: need %d, want %d", n, have, need, total)
			}
			if have < total && need <= have {
				t.Errorf("%d bytes of payload, %d of the stream: need %d is there", n, have, need)
			}
		}
	}
}

// FuzzFraming holds Span against Gather.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("\x03\x00abc\x01\x00d"), 4)
	f.Add([]byte("\x03\x00abc"), 2)
	f.Add([]byte("\x00\x00abc"), 2)
	f.Add([]byte("\x03"), 65535)
	f.Fuzz(func(t *testing.T, stream []byte, n int) {
		n &= 0xffff
		buf := make([]byte, n)
		got, rej := Gather(buf, stream)
		total, spanRej := Span(stream, n)
		switch {
		case (rej == RejectEmpty) != (spanRej == RejectEmpty):
			t.Fatalf("gather %+v, span %+v", rej, spanRej)
		case rej != nil:
			return
		case (got == n) != (total <= len(stream)):
			t.Fatalf("%d of %d bytes gathered, span %d of %d", got, n, total, len(stream))
		case got < n && Need(stream, n) <= len(stream):
			t.Fatalf("%d of %d bytes gathered, need %d of %d", got, n, Need(stream, n), len(stream))
		}
	})
}
