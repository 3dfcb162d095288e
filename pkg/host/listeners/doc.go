// SPDX-License-Identifier: Apache-2.0

// Package listeners finds which process listens where on this host, without
// connecting anywhere: a connection would wake a broker.
//
// A Snapshot is taken once from /proc/net and the kernel's unix_diag and holds
// for that moment. A socket node in the file system is matched with the
// listening socket behind it by inode, since a node whose listener is gone, or
// that was unlinked and bound again, still looks the same by name.
//
// Its API is for msrpcd alone and may change with any version.
package listeners
