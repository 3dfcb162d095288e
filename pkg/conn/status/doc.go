// SPDX-License-Identifier: Apache-2.0

// Package status is the status file of one rpcd: a small mapped file in which
// broker and workers each keep their own totals.
//
// Every 64-byte line has exactly one writer. Totals only grow, so a reader
// needs no lock and loses nothing by looking late. A line's writer holds an
// open-file-description lock on the line while it lives.
//
//	line 0            header: magic u64, version u32, capacity u32 (number of indices)
//	line 1            broker: pid, start id, counters
//	line 2 + 2*I      what the broker sent to worker I
//	line 3 + 2*I      what worker I received and closed
//
// The file is made by root (msrpc-preflight.service), mode 0660, group msrpc for
// the broker; it belongs to the workers' user, which is root for Samba's rpcds.
// No other user may open it: a process that can read a file can lock it, and its writers
// could not. A process that maps it treats what others wrote as untrusted: numbers are
// only compared and shown, never used as sizes or indices.
//
// Its API is for msrpcd alone and may change with any version.
package status
