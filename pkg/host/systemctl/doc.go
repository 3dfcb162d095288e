// SPDX-License-Identifier: Apache-2.0

// Package systemctl is what msrpcd asks of systemd, over D-Bus: jobs that are
// waited for, unit properties, unit lists, reload, mask and unmask. No program
// is run and no text is parsed.
//
// Root talks to PID 1's own socket, which works early at boot and without a
// bus daemon; everyone else talks through the system bus.
//
// Its API is for msrpcd alone and may change with any version.
package systemctl
