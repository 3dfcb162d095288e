// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/layout"
)

const (
	lockLimit = 2 * time.Minute        // for the refresh that has it
	lockRetry = 100 * time.Millisecond // between tries
)

// hint says what to do about an error of the file system.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Sprintf("; %s has to be writable, remount it", layout.State)
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		return "; run this as root"
	}
	return ""
}

// lock lets one refresh run at a time. The lock ends with the file's close,
// so with the process at the latest.
func lock(ctx context.Context, path string, c clock) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock: %w%s", err, hint(err))
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w%s", err, hint(err))
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
			return nil, fmt.Errorf("lock %s: another refresh has held it for %v; look at systemctl status %s", path, lockLimit, "msrpc-refresh.service")
		}
		if err := c.sleep(ctx, lockRetry); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
