// SPDX-License-Identifier: Apache-2.0

// Package unitgen turns a plan into unit files. It is a pure function: same
// plan, same bytes; no program is run, no name resolved, no bus asked.
// generate.go, the one file with side effects, is the body of
// msrpc-generator(8): it reads catalogue and configuration, writes the result
// and keeps the last good one.
//
// What always holds: a mistake in the input never makes a unit that systemd
// reads differently from what was meant, since every text that ends in a unit
// goes through package unittext; what that refuses is in plan.Plan.Problems.
//
// Its API is for msrpcd alone and may change with any version.
package unitgen
