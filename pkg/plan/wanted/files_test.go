// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

func TestAProblemIsFoundOnceWithItsOwnRemedy(t *testing.T) {
	p := &plan.Plan{
		Config:    &config.Config{Files: []config.RpcdFile{{Name: "1.", Path: "/etc/msrpcd/rpcd.d/1..conf"}}},
		Catalogue: &catalogue.Catalogue{Problems: []config.Problem{{What: "no port is free", Remedy: "widen the range"}}},
	}
	_, same := p.Config.Rpcds(nil)
	p.Problems = []config.Problem{{File: "/f", Line: 3, What: "x= is ignored"}, same[0]}
	var got [][2]string
	for _, f := range (configuration{}).Check(context.Background(), &State{Plan: p}) {
		got = append(got, [2]string{f.What, f.Remedy})
	}
	want := [][2]string{
		{"/f:3: x= is ignored", "correct it, then run msrpcctl refresh"},
		{same[0].String(), "correct it, then run msrpcctl refresh"},
		{"no port is free", "widen the range, then run msrpcctl refresh"},
	}
	check.Same(t, want, got)
}
