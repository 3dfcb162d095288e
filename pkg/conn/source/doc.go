// SPDX-License-Identifier: Apache-2.0

// Package source distinguishes connections by their client, for limits that hold for
// each source: one that floods pushes out only its own.
//
// Its API is for msrpcd alone and may change with any version.
package source
