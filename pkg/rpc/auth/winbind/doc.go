// SPDX-License-Identifier: Apache-2.0

// Package winbind has accounts from Samba's winbindd, by its privileged pipe: those
// of a standalone host, of the domain of a member, and of a controller. It asks for
// the version of the interface first, and refuses those that it does not know.
//
// Each question has a connection of its own and an end; a winbindd that is stopped,
// absent or slow, or that answers garbage, is an error.
//
// Its API is for others to import.
package winbind
