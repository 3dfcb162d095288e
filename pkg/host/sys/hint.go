// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hint adds to an error of the file system what people can do about it.
func Hint(err error) error {
	if os.Geteuid() != 0 && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		return fmt.Errorf("%w; run this as root", err)
	}
	for _, h := range []struct {
		errno syscall.Errno
		hint  string
	}{
		{unix.EROFS, "make that file system writable"},
		{unix.ENOSPC, "make room on that file system"},
		{unix.EDQUOT, "make room on that file system"},
	} {
		if errors.Is(err, h.errno) {
			return fmt.Errorf("%w; %s", err, h.hint)
		}
	}
	return err
}
