// SPDX-License-Identifier: Apache-2.0

// Package listing turns the text that "rpcd_NAME --list-interfaces" writes
// into values and back.
//
//	5                                                          num_workers
//	60                                                         idle_seconds
//	338cd001-2244-31f1-aaaa-900038001003/0x00000001 winreg     interface
//	 ncacn_np:[\pipe\winreg]                                   its bindings
//	 ncacn_ip_tcp:
//
// npsd_* programs (named pipes without DCE/RPC) write one line for each pipe
// instead of interfaces: "\pipe\NAME file_type device_state allocation".
//
// The text comes from a program that the administrator configured, but its
// fields end up in unit files, paths and log lines. So it is untrusted: Parse
// accepts nothing that Samba could not have written, every field has a grammar
// and a bound, and what Parse returns can be used in a path or a unit without
// another look. The package is pure: it reads no file and starts no program.
//
// Its API is for others to import.
package listing
