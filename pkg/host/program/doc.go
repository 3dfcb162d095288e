// SPDX-License-Identifier: Apache-2.0

// Package program is about programs as files and as processes.
//
// file.go and libraries.go say whether one was replaced while it runs: a package
// upgrade renames a new file over the old one, so device, inode, size or time of
// the last change differ.
//
// run.go runs one for its output: bounded in time and size, in a process group
// that is killed as a whole, with an environment of its own and no standard
// input. What a program says is untrusted: an error has the end of it, since that
// is where programs say why they fail, fit for one line.
//
// Its API is for msrpcd alone and may change with any version.
package program
