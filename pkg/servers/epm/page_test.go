// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"fmt"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// rpcd_epmapper(8) has the operations and the bounds of the program.
func TestManPage(t *testing.T) {
	text := check.File(t, "../../../packaging/man/rpcd_epmapper.8")
	page := strings.Join(strings.Fields(strings.ReplaceAll(string(text), `\-`, "-")), " ")
	want := []string{
		Interface.UUID.String() + " version 3.0", fmt.Sprintf("in pages, %d at most", MaxPage),
		fmt.Sprintf("ask for 2 to %d entries", smallPage), fmt.Sprintf("%d entries at most", maxAdded),
		"/var/lib/msrpcd/catalogue.db",
	}
	for i, op := range (&mapper{}).ops() {
		want = append(want, fmt.Sprintf("%d %s", i, op.Name))
	}
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("%q is not in the page", w)
		}
	}
}
