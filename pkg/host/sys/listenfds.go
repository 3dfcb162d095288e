// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// PassedFD is a descriptor that the service manager passed.
type PassedFD struct {
	FD   int
	Name string // FileDescriptorName=, FDNAME= or ""
}

const firstPassedFD = 3

// PassedFDs takes the descriptors of LISTEN_FDS (sd_listen_fds(3)), makes them
// close-on-exec and non-blocking, and clears the variables. The order says
// nothing: use the names.
func PassedFDs() ([]PassedFD, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(v)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1<<16 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of descriptors", count)
	}
	name := strings.Split(names, ":")
	fds := make([]PassedFD, n)
	for i := range fds {
		fd := firstPassedFD + i
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("passed descriptor %d: %w", fd, err)
		}
		fds[i] = PassedFD{FD: fd}
		if i < len(name) {
			fds[i].Name = name[i]
		}
	}
	return fds, nil
}
