// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"strconv"

	"msrpcd/pkg/layout"
	"msrpcd/pkg/parking"
)

// nativeWorker is the template of workers that take connections themselves;
// they learn from the environment what they are, and from LISTEN_FDNAMES
// whether they have an inbox (msrpc-handoff(7)) or the listeners.
func (p *Plan) nativeWorker(r *Rpcd) *builder {
	b := newBuilder()
	text := "MSRPC worker %i of " + r.Name
	if r.Direct {
		text = "MSRPC server " + r.Name
	}
	r.unit(b, text)
	b.note("It has made the status file.")
	b.set("Wants", layout.PreflightService)
	b.set("After", layout.PreflightService)
	b.note("Another program makes another unit, so that a refresh restarts it.")
	id := r.Entry.Binary
	b.set("X-Program", fmt.Sprintf("%d:%d:%d", id.Size, id.MTimeNS, id.Inode))

	b.in("Service")
	b.setAll("Type=notify\nNotifyAccess=main")
	b.env("MSRPC_RPCD", r.Name)
	b.set("Environment", "MSRPC_WORKER=%i")
	b.env("MSRPC_INDEX_BITS", strconv.Itoa(r.IndexBits))
	b.env("MSRPC_IDLE_SEC", strconv.Itoa(r.IdleSec))
	b.env("MSRPC_NP_DIR", p.samba.NPDir)
	b.env("MSRPC_MAX_PARKED", strconv.Itoa(p.global.MaxParked))
	b.exec("ExecStart", r.Exec)
	b.setAll("TimeoutStopSec=20\nLimitNOFILE=65536")
	b.set("FileDescriptorStoreMax", strconv.Itoa(parking.MaxStored))
	if Since254 == "yes" {
		b.set("FileDescriptorStorePreserve", "restart")
	}
	b.restarts()
	b.replaced()
	b.set("Slice", layout.Slice(r.Name))
	b.note("Group=root: see msrpc-broker@.service. Not in the group of the inboxes: it\n" +
		"has its own from systemd, and others' are no business of it.")
	b.set("User", layout.RpcdUser)
	b.set("Group", "root")
	b.setAll(nativeHardening)
	b.set("BindPaths", layout.RpcdDir(r.Name))
	b.set("BindReadOnlyPaths", "/run/systemd/notify -/run/systemd/journal/socket -"+layout.VolatileConf)
	return b
}

// direct is the drop-in that gives the listeners to the one worker of an rpcd
// without a broker, and what the broker would heed.
func (p *Plan) direct(r *Rpcd) *builder {
	b := newBuilder()
	b.in("Unit")
	b.set("Documentation", manuals)
	b.in("Service")
	b.list("Sockets", r.sockets())
	p.limits(b)
	return b
}

// nativeHardening is that of msrpc-broker@.service. It is enough for a server
// that answers from what it has and from files; a package whose server needs
// more (a network of its own, a database below /run) brings a drop-in for
// msrpc-worker-NAME@.service, see msrpc-generator(8).
const nativeHardening = `
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
UMask=0077
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# Inherited TCP connections work without AF_INET; no other can be made.
RestrictAddressFamilies=AF_UNIX
IPAddressDeny=any
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @aio @keyring @memlock @obsolete @setuid @chown
SystemCallErrorNumber=EPERM
# Below /run only its own status file, the notify socket, the journal and the
# part of the configuration that is there.
TemporaryFileSystem=/run:ro
DevicePolicy=closed
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateNetwork=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
`
