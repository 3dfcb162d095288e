// SPDX-License-Identifier: Apache-2.0

// Package unittext owns what text may stand in a unit file: a text is escaped
// so that systemd reads back what was meant, or it is refused.
//
// What always holds: no text that these functions return ends a line, adds a
// word, or has a specifier that systemd expands. A dollar sign of an argument is
// for the caller to double: only a command has variables.
//
// Its API is for msrpcd alone and may change with any version.
package unittext
