// SPDX-License-Identifier: Apache-2.0

// Package auth is what mechanisms (NTLM, Kerberos, SPNEGO, below this package)
// and those who use them (package rpcd, msrpc-auth) agree on: how a client
// proves who it is, and how the fragments of its calls are protected (C706
// chapter 13, MS-RPCE 3.3.1.5.2).
//
// A Mechanism makes a Context for each security context that a client begins.
// Step takes the client's tokens until done; from then on the context has a
// Caller, and protects fragments at the levels packet and above. Rules:
//
//   - One goroutine at a time has a Context. Step may wait for a domain
//     controller: it runs on a goroutine of its own and returns soon after its
//     ctx ends. Nothing else waits, and Protect and Unprotect do not allocate.
//   - A Context whose Step or Unprotect returned an error is dead: it is closed,
//     and all its methods but Close return errors.
//   - Sequence numbers and directions are inside. A fragment that is lost,
//     repeated, reflected or out of order has a wrong signature.
//   - Save after a whole fragment and Restore elsewhere go on with the same
//     state: over a restart, and from the process that holds the keys of the
//     host to the one that serves the client. There must be one holder only.
//   - Close zeroes the keys. It comes after the last Step has returned.
//
// All that clients send is untrusted; errors hold no secret and are for the log.
//
// Its API is for others to import.
package auth
