// SPDX-License-Identifier: Apache-2.0

// Package rpcecho serves the interface of that name: calls that return what
// they are given, in every shape that NDR has. smbtorture's rpc.echo calls them.
// Here they are the example of pkg/rpc/rpcd:
//
//   - echo.go: integers, byte arrays and strings, read and written one by one.
//   - shapes.go: unions, enums, structures that end in an array, and pointers
//     to pointers, described once as ndr.Value for both directions.
//   - rpcecho.go: the interface itself, and an operation that blocks.
//
// An operation reads its arguments with c.In, asks it whether anything was wrong
// with them, and writes its results with c.Out. It keeps nothing.
//
// Its API is for msrpcd alone and may change with any version.
package rpcecho
