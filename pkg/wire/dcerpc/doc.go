// SPDX-License-Identifier: Apache-2.0

// Package dcerpc knows the PDUs of connection-oriented DCE/RPC: C706 chapter
// 12 with the extensions of MS-RPCE section 2.2.
//
// A PDU is read in two steps: Parse finds its end, its body and its auth
// trailer, then ParseBind, ParseRequest and so on read the body of one type.
// What they return points into the bytes that they were given. For each type
// there is an Append function that writes one.
//
// Nothing in the package allocates on a good PDU, except where fragments are
// put together, and nothing reads outside the slice that it was given. What is
// wrong comes back as a predeclared *Reject, which also knows the answer.
//
// Its API is for others to import.
package dcerpc
