// SPDX-License-Identifier: Apache-2.0

package report

import "testing"

func TestProtectedCallsAreJudgedByTheWorst(t *testing.T) {
	rows := func(rate float64) []Row {
		return []Row{{Who: WhoDirect, Rate: rate}, {Who: WhoStock, Rate: 100}}
	}
	r := &Result{}
	if b := r.secured(); b.Met != Unknown {
		t.Errorf("%+v", b)
	}
	r.Secured = []Comparison{
		{ID: SecuredNull + "ntlm sign", Rows: rows(170)}, {ID: SecuredNull + "failed", Rows: rows(0)},
		{ID: SecuredList + "ntlm seal", Rows: rows(160)}, {ID: SecuredList + "krb5 seal", Rows: rows(500)},
	}
	if b := r.secured(); b.Met != Yes || b.Measured != "rate of null calls 1.70, of listings 1.60" {
		t.Errorf("%+v", b)
	}
	r.Secured[0].Rows = rows(140)
	if b := r.secured(); b.Met != No {
		t.Errorf("%+v", b)
	}
}
