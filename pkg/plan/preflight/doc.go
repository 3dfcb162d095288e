// SPDX-License-Identifier: Apache-2.0

// Package preflight makes what has to be there before the first socket, and
// refuses a smb.conf under which smbd would take the pipes away again. It is
// what msrpc-preflight.service runs, at start and at each reload.
//
// Everything it makes belongs to root and has exactly the mode that Samba
// insists on; what is already right is not touched, so it can run any time.
//
// Its API is for msrpcd alone and may change with any version.
package preflight
