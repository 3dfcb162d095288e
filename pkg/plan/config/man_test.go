// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The man pages describe exactly the settings that there are, with the
// defaults and bounds that the code has.
func TestManPages(t *testing.T) {
	g, f := defaultGlobal(), RpcdFile{}
	for _, tt := range []struct {
		page     string
		set      setters
		defaults map[string]any
		bounds   map[string]int
	}{
		{"msrpcd.conf.5", g.setters(), map[string]any{
			"SambaConfig": DefaultSambaConfig, "Testparm": DefaultTestparm, "MessagingDirectory": "empty",
			"MaxUnbound": DefaultMaxUnbound, "MaxUnboundPerSource": DefaultMaxUnboundPerSource,
			"MaxUnboundPerUser": DefaultMaxUnboundPerUser, "MaxParked": DefaultMaxParked, "BindTimeoutSec": DefaultBindTimeoutSec, "MaxNPASize": DefaultMaxNPASize,
		}, map[string]int{"MaxUnbound": MaxMaxUnbound, "MaxUnboundPerSource": MaxMaxUnbound, "MaxUnboundPerUser": MaxMaxUnbound, "MaxParked": MaxMaxParked, "BindTimeoutSec": MaxBindTimeoutSec, "MaxNPASize": MinMaxNPASize}},
		{"msrpcd-rpcd.d.5", f.setters(), map[string]any{
			"Exec": "empty", "Kind": DefaultKind, "Activation": DefaultActivation, "Workers": 0, "Spares": DefaultSpares,
			"IdleSec": 0, "Port": 0, "Transports": "np tcp ncalrpc", "Prestart": "no", "FillFirst": DefaultFillFirst,
		}, map[string]int{"Workers": MaxWorkers, "Spares": MaxSpares, "IdleSec": MaxIdleSec, "FillFirst": MaxFillFirst}},
	} {
		b, err := os.ReadFile("../../../packaging/man/" + tt.page)
		if err != nil {
			t.Fatal(err)
		}
		entries := map[string]string{}
		for _, e := range strings.Split(string(b), "\n.TP\n.B ")[1:] {
			name, text, ok := strings.Cut(e, "=\n")
			if ok {
				entries[name], _, _ = strings.Cut(text, "\n.SH")
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(tt.set)), slices.Sorted(maps.Keys(entries))); diff != "" {
			t.Errorf("%s: settings of the code and of the page:\n%s", tt.page, diff)
		}
		for name, d := range tt.defaults {
			if want := fmt.Sprintf("\nDefault: %v", d); !strings.Contains(entries[name], want) {
				t.Errorf("%s: %s= has no line %q", tt.page, name, want[1:])
			}
		}
		for name, n := range tt.bounds {
			if !strings.Contains(entries[name], fmt.Sprint(n)) {
				t.Errorf("%s: %s= does not tell its bound %d", tt.page, name, n)
			}
		}
	}
}
