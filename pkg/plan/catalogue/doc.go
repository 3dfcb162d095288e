// SPDX-License-Identifier: Apache-2.0

// Package catalogue is the file in which refresh writes down what it found
// out: the rpcds of this host, what each serves, their TCP ports, and what
// smb.conf says about directories and addresses.
//
// The file is a bbolt database that is written once, aside, and renamed; no
// process keeps it open for writing, so a reader (the generator, for
// which PID 1 waits, and the endpoint mapper) never waits for a lock. Its last
// bytes are a checksum over all before, checked before bbolt looks at a page:
// a damaged file is an error, never a crash of the generator.
//
// Its API is for msrpcd alone and may change with any version.
package catalogue
