// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"msrpcd/pkg/plan/catalogue"
)

// addressSet is what one socket unit of TCP is bound to.
type addressSet struct {
	number    int
	addresses []string // nil: all addresses
}

// addressSets are the sets of c, rising. TCP that is switched off has one, with
// the unit that is masked.
func addressSets(c *catalogue.Catalogue, off bool) []addressSet {
	if off || len(c.Sets) == 0 {
		return []addressSet{{0, c.Addresses}}
	}
	var sets []addressSet
	for i, a := range c.Addresses {
		n := c.AddressSet(i)
		at := slices.IndexFunc(sets, func(s addressSet) bool { return s.number == n })
		if at < 0 {
			at = len(sets)
			sets = append(sets, addressSet{number: n})
		}
		sets[at].addresses = append(sets[at].addresses, a)
	}
	slices.SortFunc(sets, func(a, b addressSet) int { return a.number - b.number })
	return sets
}
