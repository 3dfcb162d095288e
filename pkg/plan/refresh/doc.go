// SPDX-License-Identifier: Apache-2.0

// Package refresh finds out what is to be served here and makes systemd serve
// it: it asks every rpcd for its interfaces, smb.conf for directories and
// addresses, gives out TCP ports, writes the catalogue, and applies what
// changed of the units.
//
//	lock -> wait until quiet -> smb.conf -> list -> ports -> catalogue -> apply -> heal
//
// What always holds: an rpcd that cannot be asked keeps its last good entry;
// a smb.conf that cannot be read changes nothing; a catalogue or a unit that
// would be the same is not touched; a target that the administrator stopped
// stays stopped; a listener that stays is never closed; on a full or read-only
// file system nothing that is served is stopped.
// What catalogue and units hold of this host, and what notices that it changed:
//
//	programs, their versions          msrpc-refresh.path (their directories), Stale
//	smb.conf: directories, port range, netbios name, guest account, role, interfaces,
//	and the host name that it follows msrpc-refresh.path (the file, what it includes), Stale, verify
//	registry configuration            Stale at the start of the target, verify: each program that only
//	                                  reads the registry, testparm too, is a writer to inotify(7)
//	rpcd.d, msrpcd.conf               msrpc-refresh.path, Stale
//	network addresses                 msrpc-network.socket, Stale, verify
//	an rpcd that could not be listed  msrpc-retry.timer, msrpc-network.socket, Stale
//	a refresh that failed             OnFailure=msrpc-retry.timer
//	keys of msrpc-auth                msrpc-auth-keys.path
//	masks of listeners                systemd's reload, which runs the generator
//	ports that others use             each refresh, verify
//	directories, users, groups        msrpc-preflight.service at each start, verify
//
// Addresses are in sets (catalogue.Sets), one socket unit of an rpcd for each.
// One unit for all would be closed for each address that comes, and a unit for
// each address would be 256 times as many on hosts that have many; systemd lets
// an open unit lose addresses, so only those that come need one of their own.
// FreeBind= alone would do for addresses that smb.conf names, not for names of
// interfaces.
//
// Its API is for msrpcd alone and may change with any version.
package refresh
