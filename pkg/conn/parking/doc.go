// SPDX-License-Identifier: Apache-2.0

// Package parking keeps waiting connections (brokers) and open ones (native
// workers) where no restart and no crash loses them: in kernel queues of
// SEQPACKET pairs, both ends of which the service manager holds in its
// descriptor store.
//
// A lot has up to MaxSlots pairs, its slots. The queue of a slot has one
// message with all its connections, up to 253 descriptors; each that comes or
// goes makes a new message, which is sent before the old one is dropped. The
// newest message of a slot is the truth, so that a crash at any point loses and
// doubles none. Slots are added as connections come, and each newcomer goes
// to the emptiest one: with few waiting, a message is small, and to park and to
// take out are a system call each; with 10,000 it has 160 descriptors. Neither
// allocates.
//
// The owner holds each parked connection too and goes on waiting for it; it
// takes it out before it hands it over or closes it, so that none is served
// twice and a peer sees its end.
//
// Its API is for msrpcd alone and may change with any version.
package parking
