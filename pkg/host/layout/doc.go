// SPDX-License-Identifier: Apache-2.0

// Package layout is the one place that knows where things are: directories,
// unit names, socket nodes and the names of passed descriptors.
//
// The directories are variables because meson sets them with -ldflags -X; no
// program changes them after start.
//
// Its API is for msrpcd alone and may change with any version.
package layout
