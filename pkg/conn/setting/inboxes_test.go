// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"fmt"
	"testing"
)

// All inboxes are opened, by the broker's start or by exactly one worker.
func TestEachInboxHasOneWayToBeOpened(t *testing.T) {
	for _, c := range []struct {
		workers, spares int
		start           string
	}{
		{1, 0, "[0]"}, {1, 1, "[0 1]"}, {1, 4, "[0 1 2]"}, {2, 3, "[0 1 2 3]"}, {5, 32, "[0 1 5 6]"}, {5, 1, "[0 1 5]"}, {5, 0, "[0 1]"},
	} {
		v := Values{Workers: c.workers, Spares: c.spares}
		var start []int
		opened := map[int]int{}
		for i := range v.Indices() {
			if v.FromStart(i) {
				start = append(start, i)
				opened[i]++
			}
			if n, ok := v.Next(i); ok {
				opened[n]++
			}
		}
		if got := fmt.Sprint(start); got != c.start {
			t.Errorf("%d workers, %d spares: open from the start are %s, want %s", c.workers, c.spares, got, c.start)
		}
		for i := range v.Indices() {
			if opened[i] != 1 {
				t.Errorf("%d workers, %d spares: inbox %d is opened %d times", c.workers, c.spares, i, opened[i])
			}
		}
		if len(opened) != v.Indices() {
			t.Errorf("%d workers, %d spares: %v are opened", c.workers, c.spares, opened)
		}
	}
}
