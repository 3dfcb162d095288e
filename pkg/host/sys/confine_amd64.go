// SPDX-License-Identifier: Apache-2.0

package sys

import "golang.org/x/sys/unix"

// legacyOpen are the ways to open a file beside openat(2), which Go does not use.
var legacyOpen = []uint32{unix.SYS_OPEN, unix.SYS_CREAT}
