// SPDX-License-Identifier: Apache-2.0

package sys

import "golang.org/x/sys/unix"

// legacyFiles are older ways to open a file and to change its mode, which Go does
// not use.
var legacyFiles = []uint32{unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_CHMOD}
