// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"path"
	"slices"

	"msrpcd/pkg/plan/plan"
)

// This file owns the sandbox of Samba's programs. What always holds: a script that
// smb.conf names finds what it finds with stock Samba, but for what no script of
// its kind needs.

// sambaSandbox takes away what the rpcd and its scripts do not need.
func (b *builder) sambaSandbox(p *plan.Plan, r *plan.Rpcd) {
	b.setAll(sambaHardening)
	if p.Catalogue.Samba.NoCommands && slices.Contains(mountNothing, path.Base(r.Exec)) {
		b.setAll(sambaMounts)
	}
}

// mountNothing are rpcds that mount nothing themselves, unlike rpcd_fsrvp.
var mountNothing = []string{"rpcd_classic", "rpcd_epmapper", "rpcd_lsad", "rpcd_mdssvc", "rpcd_rpcecho", "rpcd_spoolss", "rpcd_winreg"}

// sambaHardening restricts programs of Samba that need root: they become the
// user who called. They serve files of any share, run the administrator's
// scripts and print commands, and are meant to have those effects.
const sambaHardening = `
# Nothing here makes a mount namespace: a script may mount what smbd has to see.
# Capabilities and system calls stand in for ProtectKernel*= and
# ProtectHostname=. No PrivateDevices=: print commands write to devices.
# Samba needs CAP_SYS_ADMIN for NT ACLs, which are security.* attributes. Of what
# is left scripts need CAP_SYS_PTRACE and @debug (gdb of "panic action",
# start-stop-daemon), CAP_NET_BIND_SERVICE (lpr), CAP_AUDIT_* (su, useradd),
# CAP_MKNOD, @mount (snapshots), and what services that svcctl starts need.
CapabilityBoundingSet=~CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_LEASE CAP_LINUX_IMMUTABLE CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON CAP_SYSLOG CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap bpf perf_event_open sethostname setdomainname
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# No NoNewPrivileges=: it stops SELinux and AppArmor transitions to Samba's own
# domains, and sudo in scripts. No MemoryDenyWriteExecute=: scripts may be run
# by a just-in-time compiler. No RestrictSUIDSGID=: "force directory mode".
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
KeyringMode=private
`

// sambaMounts is for rpcds of a host whose smb.conf names no script but those
// that print, change a password or look at a crash.
const sambaMounts = `
# smb.conf names no script that may mount, so these programs have mounts of their
# own. One that it names takes this away at the next refresh. No ProtectSystem=:
# files of drivers may be in /usr.
PrivateMounts=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Devices to print to stay; ProtectClock= alone would take them.
ProtectClock=yes
DeviceAllow=char-* rwm
DeviceAllow=block-* rwm
CapabilityBoundingSet=~CAP_IPC_LOCK CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_MKNOD
SystemCallFilter=~@mount
`
