// SPDX-License-Identifier: Apache-2.0

package npa

// This file owns the framing of a pipe in message mode, both directions, after
// the reply: a u16 little-endian length, never 0, and as many bytes, repeated.
// A PDU may span several messages.
//
// Nothing is buffered here. A broker peeks at the stream and asks again with
// more; a worker reads exactly what holds the first PDU, since what follows
// belongs to whoever serves the connection:
//
//	broker                                worker, told frag
//	n = Gather(buf, peeked)               b = read 2 + frag bytes
//	Validate(buf[:n]) -> need, frag       while Span(b, frag) > len(b):
//	need > 0: wait for Need(peeked, need)     b += read Span(b, frag) - len(b)
//	Span(peeked, frag) refuses excess     Gather(b[:frag], b)

// frameHeader is the length of the length.
const frameHeader = 2

// Gather copies payload from the messages at the start of stream to dst, until
// dst is full or stream ends, and returns the number of bytes copied. dst may
// begin where stream begins. A message of length 0 is refused.
func Gather(dst, stream []byte) (n int, rej *Reject) {
	for n < len(dst) && len(stream) >= frameHeader {
		size := int(stream[0]) | int(stream[1])<<8
		if size == 0 {
			return n, RejectEmpty
		}
		stream = stream[frameHeader:]
		if size > len(stream) {
			size = len(stream)
		}
		n += copy(dst[n:], stream[:size])
		stream = stream[size:]
	}
	return n, nil
}

// Need says how many bytes of the stream there have to be, at the least, for n
// bytes of payload; what is there of the stream is given. Messages that have
// not begun yet may make it more.
func Need(stream []byte, n int) int {
	total, _, _ := measure(stream, n)
	return total
}

// Span says how many bytes of the stream hold its first n bytes of payload,
// which are one PDU. While that is above len(stream), the rest is missing, and
// it is the least that it can be: as many bytes may be read without reading
// past the PDU. It refuses a message of length 0, and bytes that follow the PDU
// in the message that ends it, since they could not be given to a worker apart.
func Span(stream []byte, n int) (total int, rej *Reject) {
	total, rest, rej := measure(stream, n)
	if rej == nil && rest > 0 {
		rej = RejectExcess
	}
	return total, rej
}

// measure walks over messages until n bytes of payload are accounted for. rest
// is what follows them in the last message, as its header says.
func measure(stream []byte, n int) (total, rest int, rej *Reject) {
	for n > 0 {
		if total+frameHeader > len(stream) {
			return total + frameHeader + n, 0, nil
		}
		size := int(stream[total]) | int(stream[total+1])<<8
		if size == 0 {
			return total, 0, RejectEmpty
		}
		if size >= n {
			return total + frameHeader + n, size - n, nil
		}
		total += frameHeader + size
		n -= size
	}
	return total, 0, nil
}
