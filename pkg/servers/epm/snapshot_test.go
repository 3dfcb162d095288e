// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// anyTable has n entries of one interface.
func anyTable(t testing.TB, n int) *Table {
	t.Helper()
	table := &Table{}
	for i := range n {
		table.entries = append(table.entries, madeFor(t, Interface, uuid.UUID{}, "", "ncalrpc", "node"+string(rune('a'+i))))
	}
	return table
}

// rest are the towers that a cursor has left.
func rest[Q question](c *cursor[Q]) (towers []string) {
	for e := c.next(); e != nil; e = c.next() {
		towers = append(towers, string(e.tower))
	}
	return towers
}

func TestSnapshotGoesOn(t *testing.T) {
	table := anyTable(t, 5)
	find := table.find(uuid.UUID{}, table.entries[0].parsed)
	find.q.tower = find.q.tower.clone()
	find.next()
	lookup := &cursor[inquiry]{table: table, q: inquiry{kind: MatchByInterface, iface: Interface.UUID, major: 3, versions: VersionsAll}}
	lookup.next()
	lookup.next()
	for name, c := range map[string]rpcd.Snapshotter{"map": &find, "lookup": lookup} {
		b, err := c.Snapshot()
		check.OK(t, err)
		v, err := table.restore(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want, got []string
		switch v := v.(type) {
		case *cursor[wanted]:
			got, want = rest(v), rest(&find)
		case *cursor[inquiry]:
			got, want = rest(v), rest(lookup)
		}
		if d := cmp.Diff(want, got); d != "" || len(got) == 0 {
			t.Errorf("%s: %s", name, d)
		}
		if _, err := anyTable(t, 1).restore(b); err == nil && name == "lookup" {
			t.Errorf("%s: went on in another map", name)
		}
		for cut := range b {
			if _, err := table.restore(b[:cut]); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", name, cut, len(b))
			}
		}
	}
}

func FuzzRestore(f *testing.F) {
	table := anyTable(f, 3)
	c := &cursor[inquiry]{table: table}
	b, _ := c.Snapshot()
	f.Add(b)
	w := table.find(uuid.UUID{}, table.entries[0].parsed)
	b, _ = w.Snapshot()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := table.restore(b)
		if err != nil {
			return
		}
		again, err := v.(rpcd.Snapshotter).Snapshot()
		if err != nil || len(again) > len(b) {
			t.Errorf("%x comes back as %x, %v", b, again, err)
		}
	})
}
