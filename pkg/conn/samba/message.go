// SPDX-License-Identifier: Apache-2.0

package samba

// Samba messaging: datagrams between processes of one host, found by pid below
// msg.sock. One datagram has at most 1024 bytes:
//
//	single    00 u64 0 | 08 message
//	fragment  00 u64 cookie | 08 u64 length of the message | 10 s32 pid | 14 s32 socket | 18 chunk
//	message   00 server_id dst | 18 server_id src | 30 u32 type | 34 body
//
// The first four fields of a fragment are in the byte order of the machine,
// all else is little-endian. Descriptors go with the last fragment.

import "encoding/binary"

// Sizes in bytes.
const (
	DatagramSize   = 1024
	MessageHeader  = 52 // two server ids and the type
	serverIDSize   = 24
	singleHeader   = 8
	fragmentHeader = 24
	maxSingle      = DatagramSize - singleHeader
	maxChunk       = DatagramSize - fragmentHeader
)

// Types of messages. The numbers are the same in Samba 4.16 to 4.25.
const (
	MsgShutdown     = 0x000d
	MsgNewClient    = 4004 // one descriptor; body is the client structure
	MsgWorkerStatus = 4005
	MsgDumpStatus   = 4006 // one descriptor, to which a line for each connection is written
)

// ServerID names a process on the messaging bus.
type ServerID struct {
	PID    uint64
	Task   uint32
	Unique uint64 // from msg.lock/PID; 0 is accepted for a receiver
}

// notClustered is the node number of a host that is not a cluster node.
const notClustered = 0xffffffff

// Append appends the 24 bytes of the id to dst.
func (s ServerID) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, s.PID)
	dst = binary.LittleEndian.AppendUint32(dst, s.Task)
	dst = binary.LittleEndian.AppendUint32(dst, notClustered)
	return binary.LittleEndian.AppendUint64(dst, s.Unique)
}

func parseServerID(b []byte) ServerID {
	return ServerID{
		PID:    binary.LittleEndian.Uint64(b),
		Task:   binary.LittleEndian.Uint32(b[8:]),
		Unique: binary.LittleEndian.Uint64(b[16:]),
	}
}

// Message is one whole message.
type Message struct {
	Dst, Src ServerID
	Type     uint32
	Body     []byte
}

// ParseMessage decodes a message; ok is false when it is shorter than its
// header. Body points into b.
func ParseMessage(b []byte) (m Message, ok bool) {
	if len(b) < MessageHeader {
		return Message{}, false
	}
	return Message{
		Dst:  parseServerID(b),
		Src:  parseServerID(b[serverIDSize:]),
		Type: binary.LittleEndian.Uint32(b[2*serverIDSize:]),
		Body: b[MessageHeader:],
	}, true
}

// Outgoing is a message that is built in place and leaves in as many datagrams
// as it needs, each a slice of the same buffer. It never allocates.
//
//	buf: | room for a fragment header (24) | message header (52) | body ...
//
// The header of each fragment overwrites what the fragment before it carried,
// so the datagrams are taken in order, and one that could not be sent may be
// taken again.
type Outgoing struct {
	buf    []byte
	end    int // of the message in buf
	next   int // start of the next chunk in buf
	cookie uint64
	pid    uint32
}

const bodyStart = fragmentHeader + MessageHeader

// NewOutgoing has room for bodies of up to size bytes.
func NewOutgoing(size int) *Outgoing {
	return &Outgoing{buf: make([]byte, bodyStart+size)}
}

// Body is the room for the body.
func (o *Outgoing) Body() []byte { return o.buf[bodyStart:] }

// Finish completes a message whose body are the first n bytes of Body.
func (o *Outgoing) Finish(dst, src ServerID, typ uint32, n int) {
	h := dst.Append(o.buf[fragmentHeader:fragmentHeader])
	h = src.Append(h)
	binary.LittleEndian.AppendUint32(h, typ)
	o.next, o.end = fragmentHeader, bodyStart+n
	o.pid = uint32(src.PID)
	if o.end-o.next > maxSingle {
		// A receiver throws a part away when another cookie comes from the same
		// sender: one message at a time, and each has a cookie of its own.
		if o.cookie++; o.cookie == 0 {
			o.cookie = 1
		}
	}
}

// Pending reports whether datagrams are left.
func (o *Outgoing) Pending() bool { return o.next < o.end }

// Drop forgets what is left.
func (o *Outgoing) Drop() { o.next = o.end }

// Datagram returns the next datagram, valid until the next call; descriptors
// go with the last one. It may be called again for the same datagram.
func (o *Outgoing) Datagram() (d []byte, last bool) {
	length := o.end - fragmentHeader
	if length <= maxSingle {
		d = o.buf[fragmentHeader-singleHeader : o.end]
		clear(d[:singleHeader])
		return d, true
	}
	end := min(o.next+maxChunk, o.end)
	d = o.buf[o.next-fragmentHeader : end]
	binary.NativeEndian.PutUint64(d, o.cookie)
	binary.NativeEndian.PutUint64(d[8:], uint64(length))
	binary.NativeEndian.PutUint32(d[16:], o.pid)
	binary.NativeEndian.PutUint32(d[20:], 0)
	return d, end == o.end
}

// Sent steps to the next datagram.
func (o *Outgoing) Sent() {
	if o.end-fragmentHeader <= maxSingle {
		o.next = o.end
		return
	}
	o.next = min(o.next+maxChunk, o.end)
}
