// SPDX-License-Identifier: Apache-2.0

// Package setting has the one table of what brokers, workers and msrpc-auth can
// be set to: where each value is set, which processes get it and in which
// variable, its default and its bounds. pkg/plan/config reads files by it, the
// generator writes Environment= of units by it, the processes read these by it,
// and a test holds the manual pages against it.
//
// To add a setting: a field of Values, a row of Table, its use, its entry in
// the manual (the test says where) and a test of the use.
//
// Its API is for msrpcd alone and may change with any version.
package setting
