// SPDX-License-Identifier: Apache-2.0

package epm

// ept_insert, ept_delete and ept_mgmt_delete over the wire.

import (
	"os"
	"testing"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// inserted is the interface that the tests insert entries of.
var inserted = dcerpc.SyntaxID{UUID: uuid.New(), Version: 1}

func tower(t *testing.T, port string) TowerRef {
	t.Helper()
	return towerRef(t, inserted, dcerpc.NDR, binding.Binding{Protseq: binding.TCP, Endpoint: port})
}

func entriesFor(t *testing.T, port string) Entries {
	t.Helper()
	return Entries{[]Entry{{Tower: tower(t, port), Annotation: []byte("mine")}}}
}

// privileged is a client that may change the map.
func privileged(t *testing.T, s *server) *client {
	t.Helper()
	return s.dial(true, 0, 0)
}

// needRoot skips a test for others, before there is a server.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only uid 0 may change the map")
	}
}

// mapped checks where clients are led to.
func (s *server) mapped(want ...string) {
	s.t.Helper()
	var out MapResponse
	s.dial(false, 0, 0).call(OpMap, ask(s.t, inserted, binding.TCP, 4), &out)
	check.Same(s.t, want, leads(s.t, &out))
}

func TestOnlyTheLocalAdministratorChangesTheMap(t *testing.T) {
	s := start(t)
	es := entriesFor(t, "5000")
	remote := s.dial(false, 0, 0)
	for opnum, in := range map[uint16]ndr.Value{OpInsert: &InsertRequest{es, 0}, OpDelete: &es, OpMgmtDelete: &MgmtDeleteRequest{Tower: tower(t, "5000")}} {
		if got := remote.status(opnum, in); got != CantPerformOp {
			t.Errorf("operation %d over TCP: %s", opnum, got)
		}
	}
	if os.Geteuid() != 0 {
		check.Is(t, "insert by another user", CantPerformOp, s.dial(true, 0, 0).status(OpInsert, &InsertRequest{es, 0}))
	}
}

func TestInsertedEntriesAreMappedAndReplaced(t *testing.T) {
	needRoot(t)
	s := start(t)
	c := privileged(t, s)
	es, noTower := entriesFor(t, "5000"), Entries{[]Entry{{Annotation: []byte{}}}}
	for _, step := range []struct {
		what  string
		opnum uint16
		in    ndr.Value
		want  Status
	}{
		{"delete what is not there", OpDelete, &es, NotRegistered},
		{"insert", OpInsert, &InsertRequest{es, 0}, OK},
		{"insert without a tower", OpInsert, &InsertRequest{noTower, 0}, InvalidEntry},
		{"delete without a tower", OpDelete, &noTower, InvalidEntry},
		{"insert another", OpInsert, &InsertRequest{entriesFor(t, "5001"), 0}, OK},
	} {
		check.Is(t, step.what, step.want, c.status(step.opnum, step.in))
	}
	s.mapped("ncacn_ip_tcp:127.0.0.1[5000]", "ncacn_ip_tcp:127.0.0.1[5001]")
	check.Is(t, "insert and replace", OK, c.status(OpInsert, &InsertRequest{entriesFor(t, "5002"), 1}))
	s.mapped("ncacn_ip_tcp:127.0.0.1[5002]")
}

func TestInsertedEntriesOutliveTheServerUntilTheyAreDeleted(t *testing.T) {
	needRoot(t)
	s := start(t)
	es := entriesFor(t, "5002")
	if got := privileged(t, s).status(OpInsert, &InsertRequest{es, 0}); got != OK {
		t.Fatalf("insert: %s", got)
	}
	s.stop()
	s.run()
	s.mapped("ncacn_ip_tcp:127.0.0.1[5002]")
	c := s.dial(true, 0, 0)
	mgmt := &MgmtDeleteRequest{ObjectSpecified: 1, HasObject: true, Object: ndr.UUID(uuid.New()), Tower: es.Elem[0].Tower}
	check.Is(t, "mgmt_delete of another object", NotRegistered, c.status(OpMgmtDelete, mgmt))
	mgmt.ObjectSpecified = 0
	check.Is(t, "mgmt_delete", OK, c.status(OpMgmtDelete, mgmt))
	s.mapped()
}

func TestWhatMsrpcdServesIsNotDeleted(t *testing.T) {
	needRoot(t)
	s := start(t)
	c := privileged(t, s)
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 1}, &out)
	check.Is(t, "delete of what msrpcd serves", CantPerformOp, c.status(OpDelete, &Entries{out.Entries.Elem}))
}
