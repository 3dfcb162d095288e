// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

// fakeClock advances only when somebody sleeps, and runs step then.
type fakeClock struct {
	t    time.Time
	step func()
}

func (f *fakeClock) clock() clock {
	return clock{
		now: func() time.Time { return f.t },
		sleep: func(ctx context.Context, d time.Duration) error {
			f.t = f.t.Add(d)
			if f.step != nil {
				f.step()
			}
			return ctx.Err()
		},
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	check.OK(t, os.WriteFile(path, nil, 0o755))
}

func TestWaitQuiet(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "rpcd_winreg")
	touch(t, bin)
	files := func() []string { return []string{bin} }
	ctx := context.Background()

	f := &fakeClock{t: time.Now().Add(time.Hour)}
	start := f.t
	if p, err := waitQuiet(ctx, f.clock(), files); p != "" || err != nil || f.t != start {
		t.Errorf("old files: %q, %v, waited %v", p, err, f.t.Sub(start))
	}

	f = &fakeClock{t: time.Now()}
	start = f.t
	p, err := waitQuiet(ctx, f.clock(), files)
	if waited := f.t.Sub(start); p != "" || err != nil || waited < quietWindow/2 || waited > 2*quietWindow {
		t.Errorf("new files: %q, %v, waited %v", p, err, waited)
	}

	// The files change as long as somebody waits.
	other := filepath.Join(dir, "rpcd_other")
	first := true
	stuck := clock{now: func() time.Time { // it began to wait long ago
		if first {
			first = false
			return time.Now().Add(-quietLimit)
		}
		return time.Now()
	}}
	touch(t, other)
	if p, err := waitQuiet(ctx, stuck, func() []string { return []string{other} }); err != nil || !strings.Contains(p, "still change after 30s") {
		t.Errorf("no end of changes: %q, %v", p, err)
	}

	unpacking := filepath.Join(dir, "rpcd_lsad.dpkg-new")
	touch(t, unpacking)
	f = &fakeClock{t: time.Now().Add(time.Hour)}
	if p, err := waitQuiet(ctx, f.clock(), files); err != nil || !strings.HasPrefix(p, unpacking+" is still there after 30s") {
		t.Errorf("half unpacked: %q, %v", p, err)
	}
	f = &fakeClock{t: time.Now().Add(time.Hour)}
	f.step = func() { os.Remove(unpacking) }
	if p, err := waitQuiet(ctx, f.clock(), files); p != "" || err != nil {
		t.Errorf("unpacked: %q, %v", p, err)
	}

	canceled, cancel := context.WithCancel(ctx)
	cancel()
	f = &fakeClock{t: time.Now()}
	if _, err := waitQuiet(canceled, f.clock(), files); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestTemporary(t *testing.T) {
	for name, want := range map[string]bool{
		"rpcd_winreg": false, "rpcd_winreg.dpkg-new": true, "rpcd_winreg;65f0a1b2": true,
		".rpcd_winreg.dpkg-tmp": true, "smbd.dpkg-new": false, "npsd_tsvc.dpkg-new": true,
	} {
		if temporary(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
