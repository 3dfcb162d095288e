// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/conn/setting"
	"msrpcd/tests/tools/check"
)

// entries are the settings of a page, by name.
func entries(t *testing.T, page string) map[string]string {
	t.Helper()
	b := check.File(t, "../../../packaging/man/"+page)
	found := map[string]string{}
	for _, e := range strings.Split(string(b), "\n.TP\n.B ")[1:] {
		if name, text, ok := strings.Cut(e, "=\n"); ok {
			found[name], _, _ = strings.Cut(text, "\n.SH")
		}
	}
	return found
}

// The pages describe exactly the settings that there are, with the defaults
// and bounds that the code has.
func TestManPages(t *testing.T) {
	for _, tt := range []struct {
		page     string
		section  setting.Section
		known    []string
		defaults map[string]any
	}{
		{"msrpcd.conf.5", setting.Msrpcd, slices.Collect(maps.Keys(globalSettings)), map[string]any{
			"SambaConfig": DefaultSambaConfig, "Testparm": DefaultTestparm, "MessagingDirectory": "empty",
		}},
		{"msrpcd-rpcd.d.5", setting.Rpcd, append(slices.Collect(maps.Keys(rpcdSettings)), "Exec"), map[string]any{
			"Exec": "empty", "Kind": DefaultKind, "Activation": DefaultActivation, "Transports": "np tcp ncalrpc", "Prestart": "no",
		}},
	} {
		found := entries(t, tt.page)
		slices.Sort(tt.known)
		if diff := cmp.Diff(tt.known, slices.Sorted(maps.Keys(found))); diff != "" {
			t.Errorf("%s: settings of the code and of the page:\n%s", tt.page, diff)
		}
		for _, r := range setting.Table {
			if r.In != tt.section {
				continue
			}
			tt.defaults[r.Name] = r.Default
			if r.Default == "" {
				tt.defaults[r.Name] = 0
			}
			for _, bound := range []int{r.Low, r.High} {
				if !strings.Contains(found[r.Name], fmt.Sprint(bound)) {
					t.Errorf("%s: %s= does not say its bound %d", tt.page, r.Name, bound)
				}
			}
		}
		for name, d := range tt.defaults {
			if want := fmt.Sprintf("\nDefault: %v", d); !strings.Contains(found[name], want) {
				t.Errorf("%s: %s= has no line %q", tt.page, name, want[1:])
			}
		}
	}
}
