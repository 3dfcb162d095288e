// SPDX-License-Identifier: Apache-2.0

package epm

// This file owns how a place in the map outlives the process (rpcd.Snapshotter),
// so that a client that takes the map in pages gets its next one from whoever
// serves then.

import (
	"encoding/binary"
	"errors"
	"hash/fnv"

	"msrpcd/pkg/wire/uuid"
)

// A snapshot is the kind of question, u32 place, u64 hash of the entries up to
// there, and the question: its numbers, or object and a tower without addresses.
const (
	snapshotInquiry = 1
	snapshotWanted  = 2
	snapshotHeader  = 13
	inquirySize     = 44
)

var errSnapshot = errors.New("the endpoint map has changed where the client has read it already")

// Snapshot makes c outlive the process.
func (c *cursor[Q]) Snapshot() ([]byte, error) {
	b := []byte{c.q.kindOf()}
	b = binary.LittleEndian.AppendUint32(b, uint32(c.at))
	b = binary.LittleEndian.AppendUint64(b, c.table.hash(c.at))
	return c.q.append(b), nil
}

// hash distinguishes tables whose first n entries differ.
func (t *Table) hash(n int) uint64 {
	h := fnv.New64a()
	if n == 0 {
		return h.Sum64()
	}
	if t.sums == nil { // once for each table: a client may have many handles
		for i := range t.entries {
			h.Write(t.entries[i].object[:])
			h.Write(t.entries[i].tower)
			t.sums = append(t.sums, h.Sum64())
		}
	}
	return t.sums[n-1]
}

// restore goes on with a client's question, in the table of now. What the
// client has got must be the same there.
func (m *mapper) restore(b []byte) (any, error) {
	m.follow()
	return m.table.restore(b)
}

func (t *Table) restore(b []byte) (any, error) {
	if len(b) < snapshotHeader {
		return nil, errSnapshot
	}
	at := uint64(binary.LittleEndian.Uint32(b[1:]))
	if at > uint64(len(t.entries)) || t.hash(int(at)) != binary.LittleEndian.Uint64(b[5:]) {
		return nil, errSnapshot
	}
	switch q := b[snapshotHeader:]; {
	case b[0] == snapshotInquiry && len(q) == inquirySize:
		return &cursor[inquiry]{t, int(at), parseInquiry(q)}, nil
	case b[0] == snapshotWanted && len(q) > len(uuid.UUID{}):
		tower, err := ParseTower(q[16:])
		return &cursor[wanted]{t, int(at), wanted{uuid.UUID(q[:16]), tower.clone()}}, err
	}
	return nil, errSnapshot
}

func (inquiry) kindOf() byte { return snapshotInquiry }

func (q inquiry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, q.kind)
	b = append(append(b, q.object[:]...), q.iface[:]...)
	b = binary.LittleEndian.AppendUint16(b, q.major)
	b = binary.LittleEndian.AppendUint16(b, q.minor)
	return binary.LittleEndian.AppendUint32(b, q.versions)
}

func parseInquiry(b []byte) inquiry {
	return inquiry{
		kind: binary.LittleEndian.Uint32(b), object: uuid.UUID(b[4:20]), iface: uuid.UUID(b[20:36]),
		major: binary.LittleEndian.Uint16(b[36:]), minor: binary.LittleEndian.Uint16(b[38:]), versions: binary.LittleEndian.Uint32(b[40:]),
	}
}

func (wanted) kindOf() byte { return snapshotWanted }

func (q wanted) append(b []byte) []byte {
	b = append(b, q.object[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(2+q.tower.n))
	b = appendSyntax(appendSyntax(b, q.tower.Interface), q.tower.Transfer)
	for _, f := range q.tower.Floors() {
		b = appendFloor(b, f.Protocol)
	}
	return b
}
