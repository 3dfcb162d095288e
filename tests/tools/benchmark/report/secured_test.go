// SPDX-License-Identifier: Apache-2.0

package report

import "testing"

func TestProtectedCallsAreJudgedByTheWorst(t *testing.T) {
	row := func(rate, cpu float64) []Row {
		return []Row{{Who: WhoDirect, Stock: &Ratios{Rate: Ratio{Median: rate}, CPU: Ratio{Median: cpu}}}, {Who: WhoStock, Stock: &Ratios{}}}
	}
	r := &Result{}
	if b := r.secured(); b.Met != Unknown {
		t.Errorf("%+v", b)
	}
	r.Secured = []Comparison{
		{ID: SecuredNull + SecuredNone, Rows: row(1, 0.8)}, {ID: SecuredNull + "ntlm sign", Rows: row(1.1, 0.6)},
		{ID: SecuredList + "ntlm seal", Rows: row(1.6, 0.1)}, {ID: SecuredList + "krb5 seal", Rows: row(5, 0.2)},
	}
	if b := r.secured(); b.Met != Yes || b.Measured != "rate of listings 1.60, CPU time 0.60" {
		t.Errorf("%+v", b)
	}
	r.Secured[1].Rows = row(1.1, 0.7)
	if b := r.secured(); b.Met != No {
		t.Errorf("%+v", b)
	}
}
