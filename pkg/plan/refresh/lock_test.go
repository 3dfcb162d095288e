// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

func TestLockLetsOneIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "refresh.lock")
	ctx := context.Background()
	held, err := lock(ctx, path, systemClock)
	check.OK(t, err)

	// Another waits, until the first is done.
	f := &fakeClock{t: time.Now()}
	waited := 0
	f.step = func() {
		if waited++; waited == 3 {
			held.Close()
		}
	}
	second, err := lock(ctx, path, f.clock())
	if err != nil || waited != 3 {
		t.Fatalf("%v after %d waits", err, waited)
	}

	// For ever is too long.
	f = &fakeClock{t: time.Now()}
	if _, err := lock(ctx, path, f.clock()); err == nil || !strings.Contains(err.Error(), "another refresh has held it for 2m0s") {
		t.Errorf("held: %v", err)
	}
	second.Close()
}
