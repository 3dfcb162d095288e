// SPDX-License-Identifier: Apache-2.0

// Package spnego negotiates NTLM or Kerberos (RFC 4178, MS-SPNG). The client's
// order of preference decides; other mechanisms (NegoEx) are passed over. MICs of
// the list of mechanisms are checked when they come, and asked for when the one
// that is used was not the client's first. A Client offers one mechanism.
//
// Its API is for others to import.
package spnego
