// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

// network plays messages at given times, to a clock that only waiting moves.
type network struct {
	now   time.Time
	times []time.Duration
	start time.Time
}

func (n *network) heard(limit time.Duration) (bool, error) {
	end := n.now.Add(limit)
	if len(n.times) == 0 || n.start.Add(n.times[0]).After(end) {
		n.now = end
		return false, nil
	}
	if at := n.start.Add(n.times[0]); at.After(n.now) {
		n.now = at
	}
	for len(n.times) > 0 && !n.start.Add(n.times[0]).After(n.now) {
		n.times = n.times[1:]
	}
	return true, nil
}

func TestFollowLooksOnceForManyChangesAndEndsWhenItIsQuiet(t *testing.T) {
	every := func(step, until time.Duration) (times []time.Duration) {
		for at := time.Duration(0); at <= until; at += step {
			times = append(times, at)
		}
		return times
	}
	for _, c := range []struct {
		name     string
		times    []time.Duration
		looks    int
		last     time.Duration // the last look is not before the last change
		ends     time.Duration
		shortest time.Duration // pause between looks
	}{
		{"one change", every(time.Second, 0), 1, 0, 3 * time.Second, 0},
		{"a boot's worth at once", every(10*time.Millisecond, 300*time.Millisecond), 1, 300 * time.Millisecond, 3 * time.Second, 0},
		{"a second one", []time.Duration{0, time.Second}, 2, time.Second, 7 * time.Second, firstPause},
		{"ten a second for a minute", every(100*time.Millisecond, time.Minute), 7, time.Minute, 100 * time.Second, firstPause},
	} {
		n := &network{times: c.times, now: time.Unix(0, 0), start: time.Unix(0, 0)}
		var looks []time.Time
		check.OK(t, Follow(context.Background(), func() time.Time { return n.now }, n.heard, func(context.Context) { looks = append(looks, n.now) }))
		if len(looks) != c.looks || looks[len(looks)-1].Sub(n.start) < c.last || n.now.Sub(n.start) > c.ends {
			t.Errorf("%s: looked at %v, ended at %v", c.name, looks, n.now.Sub(n.start))
		}
		for i := 1; i < len(looks); i++ {
			if pause := looks[i].Sub(looks[i-1]); pause < c.shortest {
				t.Errorf("%s: looks after %v", c.name, pause)
			}
		}
	}
}
