// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
)

func budget(t *testing.T, r *Result, what string) Budget {
	t.Helper()
	for _, b := range r.Judge() {
		if strings.Contains(b.What, what) {
			return b
		}
	}
	t.Fatalf("no budget of %q", what)
	return Budget{}
}

func TestBudgetsOfTheExample(t *testing.T) {
	r := example()
	for what, want := range map[string]Budget{
		"first share":   {"", "ratio ≤ 1.2", "ratio 1.50", No},
		"warm jobs":     {"", "≤ 1", "0.97 / - / - / - / - / -", Unknown},
		"native worker": {"", "p50 ≤ 1 / 1.3 / 1.2, rate at 64 ≥ 0.7", "p50 1.25 / 1.25 / 1.25, rate at 64 0.80", No},
		"mapper":        {"", "p50 ≤ 1, rate ≥ 2", "p50 0.80 / 0.80 / 0.80, rate 2.50 / 2.50 / 2.50", Yes},
		"over ncalrpc":  {"", "p50 ≤ 1 / 0.75 / 0.75, rate ≥ 1.1 / 1.25 / 1.5", "p50 0.77 / 0.77 / 0.77, rate 1.30 / 1.30 / 1.30", No},
		"cold start":    {"", "ratio ≤ 2.2", "ratio 2.00", Yes},
		"the broker, i": {"", "MiB ≤ 1.5, KiB each ≤ 1", "MiB 1.00, KiB each 0.50", Yes},
		"adaptor":       {"", "MiB ≤ 1.5", "MiB 1.60", No},
		"generator":     {"", "ms ≤ 20", "ms 9.0", Yes},
		"silent":        {"", "ms ≤ 100", "ms 4.0", Yes},
		"restarts":      {"", "no client sees an error", "0 errors in 5000 binds, 10 times", Yes},
		"SIGKILL":       {"", "fewer than 1 error in 100,000 binds", "2 errors in 200000 binds, 20 times", No},
	} {
		got := budget(t, r, what)
		got.What = ""
		if got != want {
			t.Errorf("%s:\n%+v, want\n%+v", what, got, want)
		}
	}
}

func TestWhatWasNotMeasuredIsNotMet(t *testing.T) {
	for _, b := range (&Result{}).Judge() {
		if b.Met != Unknown {
			t.Errorf("%+v", b)
		}
	}
	r := example()
	r.Held[0].Steps[1].Unserved = 1
	if b := budget(t, r, "silent"); b.Met != No {
		t.Errorf("%+v", b)
	}
	r.Held[0].Steps[1].Held = 5000
	if b := budget(t, r, "silent"); b.Met != Unknown {
		t.Errorf("%+v", b)
	}
	r.Bind(IDNP).Rows = r.Bind(IDNP).Rows[:3] // only one client
	if b := budget(t, r, "over "+IDNP); b.Met != Unknown || !strings.Contains(b.Measured, "p50 0.77 / - / -") {
		t.Errorf("%+v", b)
	}
	// What is known to be broken stays so.
	r.Bind(IDNP).Row(WhoSamba, 1).Stock.P50.Median = 1.5
	if b := budget(t, r, "over "+IDNP); b.Met != No {
		t.Errorf("%+v", b)
	}
}
