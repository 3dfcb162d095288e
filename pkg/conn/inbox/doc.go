// SPDX-License-Identifier: Apache-2.0

// Package inbox is a worker's side of the hand-over, msrpc-handoff(7): the
// inbox that systemd owns, what a worker checks of a message and its
// descriptors before it believes them, and the worker's line of the status
// file. Samba's adaptor and native rpcds share it.
//
// It belongs to one event loop and allocates nothing for a hand-over.
//
// Its API is for msrpcd alone and may change with any version.
package inbox
