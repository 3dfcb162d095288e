// SPDX-License-Identifier: Apache-2.0

// Package printable makes text of others fit for a terminal, for one line of a
// message and for JSON: names of processes, what programs and servers say,
// lines of files.
//
// What always holds: the result is valid UTF-8 and has no control character
// (C0, DEL, C1), no character that changes the direction of text, and none that
// is invisible. Such a character is not dropped but shown by its number.
//
// Its API is for others to import.
package printable
