// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// ruleOfNames stands for variables that need no entry of their own.
const ruleOfNames = "MaxBoundPerSource= is in MSRPC_MAX_BOUND_PER_SOURCE"

// byName is the variable of a setting by that rule.
func byName(name string) string {
	return "MSRPC_" + strings.ToUpper(regexp.MustCompile("[a-z][A-Z]").ReplaceAllStringFunc(name, func(s string) string { return s[:1] + "_" + s[1:] }))
}

// Pages of processes list exactly the variables that these get: a broker's
// in a table with source and range, workers' as entries. What files set is
// described where the files are, see the test of pkg/plan/config.
func TestPagesOfProcessesListTheirVariables(t *testing.T) {
	for _, tt := range []struct {
		page  string
		kinds Process
		entry string // what stands before a variable and after it
		after string
	}{
		{"msrpc-broker.8", Broker, "", " "},
		{"msrpc-handoff.7", Native | Direct, ".TP\n.B ", "\n"},
		{"msrpc-samba-worker.8", Samba, ".TP\n.B ", "\n"},
		{"msrpc-auth.8", Auth, ".TP\n.B ", "\n"},
	} {
		b := check.File(t, "../../../packaging/man/"+tt.page)
		text := strings.NewReplacer(`\-`, "-", "\\fB", "", "\\fP", "").Replace(string(b))
		var known []string
		for _, r := range Of(tt.kinds) {
			known = append(known, r.Variable)
			_, entry, ok := strings.Cut(text, "\n"+tt.entry+r.Variable+tt.after)
			if !ok && r.In == Msrpcd && r.Variable == byName(r.Name) && strings.Contains(text, ruleOfNames) {
				continue
			}
			if !ok {
				t.Errorf("%s does not list %s", tt.page, r.Variable)
				continue
			}
			entry, _, _ = strings.Cut(entry, "\n"+tt.entry+"MSRPC_")
			var want []string
			if tt.kinds == Broker && r.Unit < Text {
				want = append(want, fmt.Sprintf("%d to %d", r.Low, r.High))
			}
			if r.Name != "" {
				want = append(want, r.Name+"=")
			} else if r.Default != "" && r.Unit >= Text {
				want = append(want, "Default: "+r.Default)
			}
			for _, w := range want {
				if !strings.Contains(entry, w) {
					t.Errorf("%s, %s does not say %q", tt.page, r.Variable, w)
				}
			}
		}
		listed := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(tt.entry)+`(MSRPC_[A-Z_]+)`).FindAllStringSubmatch(text, -1)
		for _, m := range listed {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s lists %s, which is not a variable of it", tt.page, m[1])
			}
		}
	}
}
