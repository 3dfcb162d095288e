// SPDX-License-Identifier: Apache-2.0

package report

import "testing"

func TestProtectedCallsAreJudgedByTheWorst(t *testing.T) {
	rows := func(rate, cpu float64) []Row {
		return []Row{{Who: WhoDirect, Rate: rate, CPU: 10 + cpu, CPUKernel: 10}, {Who: WhoStock, Rate: 100, CPU: 20, CPUKernel: 10}}
	}
	r := &Result{}
	if b := r.secured(); b.Met != Unknown {
		t.Errorf("%+v", b)
	}
	r.Secured = []Comparison{
		{ID: SecuredNull + "ntlm sign", Rows: rows(110, 6)}, {ID: SecuredNull + "failed", Rows: rows(0, 0)},
		{ID: SecuredList + "ntlm seal", Rows: rows(160, 1)}, {ID: SecuredList + "krb5 seal", Rows: rows(500, 2)},
	}
	if b := r.secured(); b.Met != Yes || b.Measured != "rate of listings 1.60, CPU time without the kernel's 0.60" {
		t.Errorf("%+v", b)
	}
	r.Secured[0].Rows = rows(110, 7)
	if b := r.secured(); b.Met != No {
		t.Errorf("%+v", b)
	}
}
