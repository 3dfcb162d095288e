// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/tests/tools/check"
)

func TestAddressesThatComeAreASetOfTheirOwn(t *testing.T) {
	old := &catalogue.Catalogue{}
	for _, step := range []struct {
		name      string
		addresses []string
		want      []int
	}{
		{"the first ones", []string{"a", "b"}, nil},
		{"the same", []string{"b", "a"}, nil},
		{"two come", []string{"c", "a", "d", "b"}, []int{1, 0, 1, 0}},
		{"one goes", []string{"a", "b", "d"}, []int{0, 0, 1}},
		{"one comes", []string{"a", "b", "d", "e"}, []int{0, 0, 1, 2}},
		{"the first set goes", []string{"d", "e"}, []int{1, 2}},
		{"one takes its place", []string{"d", "e", "f"}, []int{1, 2, 0}},
		{"all go", []string{}, nil},
		{"and come", []string{"a"}, nil},
		{"another one instead", []string{"b"}, nil},
		{"one of the first set goes, one comes", []string{"b", "c"}, []int{0, 1}},
		{"all addresses", nil, nil},
	} {
		c := &catalogue.Catalogue{Addresses: step.addresses}
		c.Sets = addressSets(c, old)
		check.SameIn(t, step.name, step.want, c.Sets)
		old = c
	}
}

func TestOnlyFewer(t *testing.T) {
	const a, b, c = "ListenStream=a\n", "ListenStream=b\n", "ListenStream=c\n"
	for _, tc := range []struct {
		before, after string
		want          bool
	}{
		{a + b, a, true}, {a + b + "x\n", b + "x\n", true}, {a + b, a + b, false}, {a, "", false},
		{a, a + b, false}, {a + b, c, false}, {a + b + "x\n", a + "y\n", false},
	} {
		if got := onlyFewer(tc.before, tc.after); got != tc.want {
			t.Errorf("%q to %q: %v", tc.before, tc.after, got)
		}
	}
}
