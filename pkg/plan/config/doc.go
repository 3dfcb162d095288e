// SPDX-License-Identifier: Apache-2.0

// Package config reads what packages, the administrator and smb.conf say:
// msrpcd.conf(5), msrpcd-rpcd.d(5), and smb.conf through testparm(1).
//
// A mistake in a file of msrpcd never stops anything: it becomes a Problem
// with file and line, the setting keeps the value it had, and the rest holds.
// So the generator can always go on, and programs with a journal or a terminal
// show the problems.
//
// Its API is for msrpcd alone and may change with any version.
package config
