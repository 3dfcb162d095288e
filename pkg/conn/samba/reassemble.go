// SPDX-License-Identifier: Apache-2.0

package samba

import "encoding/binary"

// Bounds of a Reassembler. What an adaptor waits for fits into one datagram;
// fragments come from tools that write to every process.
const (
	maxPartial = 8       // messages under way at a time
	maxMessage = 8 << 10 // bytes of a message that is put together; longer ones are ignored
)

// Reassembler puts messages together. Partial messages are keyed by sender
// (pid and socket number); another cookie from the same sender throws its old
// part away, and a ninth sender that of the one that began first.
type Reassembler struct {
	part [maxPartial]partial
	age  uint64
}

type partial struct {
	pid, sock uint32
	cookie    uint64
	age       uint64 // 0: unused
	buf       []byte // made at the first use, kept
	total     int
}

// Add takes one datagram and returns the message that it completes. Body is
// valid until the next call or until d is reused. Malformed datagrams are
// ignored.
func (r *Reassembler) Add(d []byte) (m Message, ok bool) {
	if len(d) < singleHeader || len(d) > DatagramSize {
		return Message{}, false
	}
	cookie := binary.NativeEndian.Uint64(d)
	if cookie == 0 {
		return ParseMessage(d[singleHeader:])
	}
	if len(d) <= fragmentHeader {
		return Message{}, false
	}
	total := binary.NativeEndian.Uint64(d[8:])
	pid, sock := binary.NativeEndian.Uint32(d[16:]), binary.NativeEndian.Uint32(d[20:])
	chunk := d[fragmentHeader:]
	p := r.find(pid, sock)
	if p != nil && (p.cookie != cookie || uint64(p.total) != total) {
		p.age = 0
		p = nil
	}
	if total > maxMessage || uint64(len(chunk)) > total {
		return Message{}, false
	}
	if p == nil {
		p = r.start(pid, sock, cookie, int(total))
	}
	if len(p.buf)+len(chunk) > p.total {
		p.age = 0
		return Message{}, false
	}
	p.buf = append(p.buf, chunk...)
	if len(p.buf) < p.total {
		return Message{}, false
	}
	p.age = 0
	return ParseMessage(p.buf)
}

func (r *Reassembler) find(pid, sock uint32) *partial {
	for i := range r.part {
		if p := &r.part[i]; p.age != 0 && p.pid == pid && p.sock == sock {
			return p
		}
	}
	return nil
}

func (r *Reassembler) start(pid, sock uint32, cookie uint64, total int) *partial {
	p := &r.part[0]
	for i := range r.part {
		if r.part[i].age < p.age {
			p = &r.part[i]
		}
	}
	r.age++
	p.pid, p.sock, p.cookie, p.total, p.age = pid, sock, cookie, total, r.age
	if p.buf == nil {
		p.buf = make([]byte, 0, maxMessage)
	}
	p.buf = p.buf[:0]
	return p
}
