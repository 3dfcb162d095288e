// SPDX-License-Identifier: Apache-2.0

// Package sys has the system calls of the event loops: raw, on non-blocking
// descriptors, without allocation and without telling Go's scheduler, which
// costs more than most of these calls take. Only Epoll.Wait blocks.
//
// Every function returns the errno, 0 for success; a constant of type Errno is
// an error without allocation.
//
// Its API is for msrpcd alone and may change with any version.
package sys
