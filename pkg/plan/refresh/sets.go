// SPDX-License-Identifier: Apache-2.0

package refresh

import "msrpcd/pkg/plan/catalogue"

// addressSets puts each address of c into the set that it has in old, since
// that socket unit is open; those that are new make one more set. nil: all
// are in set 0, as when all are new.
func addressSets(c, old *catalogue.Catalogue) []int {
	was := map[string]int{}
	if old != nil {
		for i, a := range old.Addresses {
			was[a] = old.AddressSet(i)
		}
	}
	used := map[int]bool{}
	for _, a := range c.Addresses {
		if n, known := was[a]; known {
			used[n] = true
		}
	}
	next := 0
	for used[next] {
		next++
	}
	var sets []int
	all := true
	for _, a := range c.Addresses {
		n, known := was[a]
		if !known {
			n = next
		}
		sets = append(sets, n)
		all = all && n == 0
	}
	if all {
		return nil
	}
	return sets
}
