// SPDX-License-Identifier: Apache-2.0

// Package pipeauth does the named pipe handshake on a connection: it receives
// smbd's request and answers it. What a request says is package npa's; whether
// the peer may say it, which root alone may, is the caller's to check.
//
// A request is refused at the first byte that shows that it is none, and of what
// follows it no byte is read. Nothing waits, and nothing here allocates but for
// the request itself, which grows with what has come, not with what it announces.
//
// Its API is for msrpcd alone and may change with any version.
package pipeauth
