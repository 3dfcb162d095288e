// SPDX-License-Identifier: Apache-2.0

// Package abi owns what msrpcd knows of Samba's releases: their versions, and
// what differs between them in what an rpcd sends and expects. The adaptor, the
// plan and smb.conf's reader ask it.
//
// What always holds: a release is looked up in one table, whose rows say from
// which release on they hold; one that is newer than the last row known to hold
// counts as like it. A release with another layout is one row, and the vectors
// in tests/vectors that show it; a new level of the named pipe auth request is
// package npa's beside that.
//
// Its API is for msrpcd alone and may change with any version.
package abi
