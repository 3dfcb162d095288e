// SPDX-License-Identifier: Apache-2.0

// Package refresh finds out what is to be served here and makes systemd serve
// it: it asks every rpcd for its interfaces, smb.conf for directories and
// addresses, gives out TCP ports, writes the catalogue, and applies what
// changed of the units.
//
//	lock -> wait until quiet -> smb.conf -> list -> ports -> catalogue -> apply -> heal
//
// What always holds: an rpcd that can not be asked keeps its last good entry;
// a smb.conf that can not be read changes nothing; a catalogue or a unit that
// would be the same is not touched; a target that the administrator stopped
// stays stopped; a listener that stays is never closed.
package refresh
