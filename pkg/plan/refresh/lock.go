// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
)

const (
	lockLimit = 2 * time.Minute        // for the refresh that has it
	lockRetry = 100 * time.Millisecond // between tries
)

// lock lets one refresh run at a time. The lock ends with the file's close,
// so with the process at the latest.
func lock(ctx context.Context, path string, c clock) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	start := c.now()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if c.now().Sub(start) > lockLimit {
			f.Close()
			return nil, fmt.Errorf("lock %s: another refresh has held it for %v; look at systemctl status %s", path, lockLimit, layout.RefreshService)
		}
		if err := c.sleep(ctx, lockRetry); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
