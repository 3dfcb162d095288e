// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package sys

// legacyFiles is empty where openat(2) and fchmodat(2) came first, as on arm64 and riscv64.
var legacyFiles []uint32
