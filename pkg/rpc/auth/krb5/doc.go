// SPDX-License-Identifier: Apache-2.0

// Package krb5 is Kerberos over GSS-API as DCE/RPC uses it (RFC
// 4121 and 4757, MS-KILE 3.4.5): DCE style only, three legs. The third one proves
// that the client is there now, so no cache of replays is needed, and several
// processes may share a key. The server's leg has a new key for the context, as
// that of Windows: so it never passes for a third leg when it is sent back.
//
// A Mechanism is a server's, a Client a client's that has a ticket (package ccache).
// A server's keys come from a keytab; encryption types are those of its keys: AES with SHA-1
// (17, 18) and SHA-2 (19, 20), and RC4 (23).
//
// Its API is for others to import.
package krb5
