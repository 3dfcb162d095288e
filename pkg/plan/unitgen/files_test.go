// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"bytes"
	"fmt"
	"testing"

	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

// built is what Files does, with the builders.
func built(t testing.TB, p *plan.Plan) *set {
	t.Helper()
	s, err := build(p)
	check.OK(t, err)
	return s
}

// dump is all files as one text.
func dump(files map[string]File) []byte {
	var b bytes.Buffer
	for _, p := range sortedPaths(files) {
		if l := files[p].Link; l != "" {
			fmt.Fprintf(&b, "-- %s -> %s --\n", p, l)
			continue
		}
		fmt.Fprintf(&b, "-- %s --\n%s", p, files[p].Data)
	}
	return b.Bytes()
}
