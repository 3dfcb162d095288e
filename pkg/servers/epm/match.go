// SPDX-License-Identifier: Apache-2.0

package epm

// This file owns questions about a table: what matches an inquiry of ept_lookup
// or a tower of ept_map, and where a question that is answered in pages goes on.

import (
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// question says which entries match. It is kept between pages, so it owns what
// it is made of.
type question interface {
	matches(e *entry) bool
	kindOf() byte           // in a snapshot
	append(b []byte) []byte // to a snapshot
}

// cursor is a place in a table. It is what the context handles of the two
// calls stand for.
type cursor[Q question] struct {
	table *Table
	at    int
	q     Q
}

// next returns the next entry that matches, nil at the end.
func (c *cursor[Q]) next() *entry {
	for c.at < len(c.table.entries) {
		e := &c.table.entries[c.at]
		c.at++
		if c.q.matches(e) {
			return e
		}
	}
	return nil
}

// more reports whether another entry matches.
func (c cursor[Q]) more() bool { return c.next() != nil }

// inquiry is the question of ept_lookup (C706 3.1.13, MS-RPCE 2.2.1.2.4).
type inquiry struct {
	kind         uint32
	object       uuid.UUID
	iface        uuid.UUID
	major, minor uint16
	versions     uint32
}

// newInquiry checks the arguments that its type looks at.
func newInquiry(r *LookupRequest) (q inquiry, status Status) {
	q = inquiry{kind: r.Inquiry, versions: r.Versions, iface: r.Interface.UUID, major: r.Interface.Major, minor: r.Interface.Minor}
	if r.HasObject {
		q.object = uuid.UUID(r.Object)
	}
	if q.kind > MatchByBoth {
		return q, InvalidInquiryType
	}
	if q.byInterface() {
		switch {
		case !r.HasInterface:
			return q, InvalidInquiryType
		case q.versions < VersionsAll || q.versions > VersionUpTo:
			return q, InvalidVersionOption
		}
	}
	return q, OK
}

func (q *inquiry) byInterface() bool { return q.kind == MatchByInterface || q.kind == MatchByBoth }

func (q inquiry) matches(e *entry) bool {
	if (q.kind == MatchByObject || q.kind == MatchByBoth) && e.object != q.object {
		return false
	}
	return !q.byInterface() || e.parsed.Interface.UUID == q.iface && q.version(e.parsed.Interface)
}

func (q *inquiry) version(id dcerpc.SyntaxID) bool {
	major, minor := id.Major(), id.Minor()
	switch q.versions {
	case VersionCompatible:
		return major == q.major && minor >= q.minor
	case VersionExact:
		return major == q.major && minor == q.minor
	case VersionMajorOnly:
		return major == q.major
	case VersionUpTo:
		return major < q.major || major == q.major && minor <= q.minor
	}
	return true
}

// wanted is the question of ept_map: a compatible version of the interface,
// the transfer syntax and the protocols; the endpoint and the address are what
// is asked for, so they do not count.
type wanted struct {
	object uuid.UUID
	tower  Tower
}

func (q wanted) matches(e *entry) bool {
	i, w := e.parsed.Interface, q.tower.Interface
	return e.object == q.object &&
		i.UUID == w.UUID && i.Major() == w.Major() && i.Minor() >= w.Minor() &&
		e.parsed.Transfer == q.tower.Transfer && sameProtocols(&e.parsed, &q.tower)
}

// find begins the question of ept_map. Entries of the object itself come before
// those that are for any object (C706 2.3.3.3).
func (t *Table) find(object uuid.UUID, tower Tower) cursor[wanted] {
	c := cursor[wanted]{table: t, q: wanted{object, tower}}
	if !object.IsNil() && !c.more() {
		c.q.object = uuid.UUID{}
	}
	return c
}
