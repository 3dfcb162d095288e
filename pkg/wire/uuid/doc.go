// SPDX-License-Identifier: Apache-2.0

// Package uuid is the UUID of DCE (C706 appendix A) in its two shapes: text
// and the wire, where its first three fields have the byte order of the PDU.
//
// Its API is for others to import.
package uuid
