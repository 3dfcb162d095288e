// SPDX-License-Identifier: Apache-2.0

// Package ctl is msrpcctl(8): one file for each command, each of which makes a
// value, shown as a table or with --json as it is.
//
// What people read ends in what they can do: "msrpcctl: what failed: why;
// hint". The exit status is 0, 1 when something failed or verify found
// something, and 2 when the command line is wrong.
//
// Its API is for msrpcd alone and may change with any version.
package ctl
