// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

func TestCPUTimeOfAControlGroup(t *testing.T) {
	got, ok := parseCPU("usage_usec 1500\nuser_usec 500\nsystem_usec 1000\nnr_periods 0\n")
	if want := (cpuTime{500 * time.Microsecond, time.Millisecond}); !ok || got != want {
		t.Errorf("%v, %v; want %v", got, ok, want)
	}
	if d := got.since(cpuTime{100 * time.Microsecond, 0}); d.all() != 1400*time.Microsecond {
		t.Errorf("since: %v", d)
	}
	for _, text := range []string{"", "usage_usec 3\n", "user_usec x\nsystem_usec 1\n"} {
		if _, ok := parseCPU(text); ok {
			t.Errorf("%q is accepted", text)
		}
	}
}
