// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"

	"msrpcd/tests/tools/benchmark/report"
)

func TestMemoryIsTheSumOfAllMappings(t *testing.T) {
	const text = `55d0-55d1 r--p 00000000 00:1f 12 /usr/sbin/x
Size:                 16 kB
Rss:                  12 kB
Pss:                   6 kB
Pss_Dirty:             1 kB
Anonymous:             0 kB
THPeligible:           0
VmFlags: rd mr mw me
7ffd-7ffe rw-p 00000000 00:00 0 [stack]
Pss:                   8 kB
Anonymous:             8 kB
`
	if got, err := parseSmaps([]byte(text)); err != nil || got != (report.Memory{Private: 8, PSS: 14}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "Pss: x kB\n"} {
		if _, err := parseSmaps([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestWhatACrowdPrints(t *testing.T) {
	for _, tt := range []struct {
		line         string
		bound        bool
		held, failed int
	}{{"connected 90\n", false, 90, 10}, {`{"conns":95,"failed":3,"p50_us":7}` + "\n", true, 95, 5}} {
		held, failed, err := parseCrowd([]byte(tt.line), 100, tt.bound)
		if err != nil || held != tt.held || failed != tt.failed {
			t.Errorf("%q: %d held, %d failed, %v", tt.line, held, failed, err)
		}
	}
	for _, bound := range []bool{false, true} {
		if _, _, err := parseCrowd([]byte("bindload: no\n"), 100, bound); err == nil {
			t.Error("an error message is taken for a result")
		}
	}
}

func TestLevelsEndWithTheLargestNumber(t *testing.T) {
	for most, want := range map[int][]int{10000: {0, 1000, 5000, 10000}, 5000: {0, 1000, 5000}, 300: {0, 300}, 20000: {0, 1000, 5000, 20000}} {
		if got := (&bench{most: most}).levels(); !slices.Equal(got, want) {
			t.Errorf("to %d: %v", most, got)
		}
	}
}
