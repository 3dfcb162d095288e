// SPDX-License-Identifier: Apache-2.0

// Package samba runs one unmodified Samba rpcd_* as a worker: it stands in for
// samba-dcerpcd as the parent of exactly one such process and gives it the
// connections that arrive in the worker's inbox.
//
// The pure parts speak Samba's messaging datagrams (message.go, reassemble.go),
// the worker's status (workerstatus.go) and the structure that carries a
// client (client.go, anonymous.go), each as Samba 4.16 to 4.25 have it. The
// running part is one event loop on one goroutine (worker.go, loop.go, take.go).
//
// Its API is for msrpcd alone and may change with any version.
package samba
