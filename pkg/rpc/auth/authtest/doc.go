// SPDX-License-Identifier: Apache-2.0

// Package authtest is the other end of package auth's mechanisms, for tests: a
// client of NTLM, and what every context must hold to.
//
// Its API is for others to import.
package authtest
