// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
)

// sambaDaemons connect to our sockets while they start.
const sambaDaemons = "smbd.service nmbd.service winbind.service samba-ad-dc.service"

// unit begins the [Unit] section that all units of an rpcd share.
func (b *builder) unit(r *plan.Rpcd, text string) {
	b.in("Unit")
	b.set("Description", text)
	b.set("Documentation", manuals)
	b.path("SourcePath", r.Exec)
	b.set("PartOf", layout.Target)
	b.note("A limit would fail sockets, which closes every connection that waits in them.")
	b.set("StartLimitIntervalSec", "0")
}

// transports are what differs between the listeners of each.
var transports = map[layout.Transport]struct{ title, settings string }{
	layout.NP:      {"named pipes", "SocketMode=0600\nDirectoryMode=0700\nRemoveOnStop=yes"},
	layout.TCP:     {"TCP port", "BindIPv6Only=both\nFreeBind=yes\nNoDelay=yes\nKeepAlive=yes\nDeferAcceptSec=1"},
	layout.Ncalrpc: {"local endpoints", "SocketMode=0666\nDirectoryMode=0755\nRemoveOnStop=yes"},
}

// listener is the socket unit of one transport.
func listener(r *plan.Rpcd, l plan.Listener) *builder {
	b := newBuilder()
	t := transports[l.Transport]
	b.unit(r, "MSRPC "+t.title+" of "+r.Name)
	if l.Transport.Relayed() {
		b.note("Not while smbd would start samba-dcerpcd, which takes all pipes away.")
		b.set("Requires", layout.PreflightService)
	} else {
		b.set("Wants", layout.PreflightService)
	}
	b.set("After", layout.PreflightService)
	b.set("Before", sambaDaemons)

	b.in("Socket")
	for _, n := range l.Nodes {
		if l.Transport.IP() {
			// A bare port is the IPv6 wildcard, or the IPv4 one where the
			// kernel has no IPv6.
			b.set("ListenStream", strings.TrimPrefix(n, ":"))
		} else {
			b.path("ListenStream", n)
		}
	}
	b.set("FileDescriptorName", string(l.Transport))
	b.setAll(t.settings)
	b.setAll("Backlog=4096\nTriggerLimitIntervalSec=0")
	b.set("Service", r.Service())
	b.set("Slice", layout.Slice(r.Name))
	return b
}

// inbox is the template of the workers' inboxes; the instance is the index.
func inbox(r *plan.Rpcd) *builder {
	b := newBuilder()
	b.unit(r, "Inbox of MSRPC worker %i of "+r.Name)
	b.set("Wants", layout.PreflightService)
	b.set("After", layout.PreflightService)
	b.in("Socket")
	b.set("ListenDatagram", layout.InboxPattern(r.Name, "%i"))
	b.set("FileDescriptorName", layout.FDNameInbox)
	b.set("SocketUser", "root")
	b.set("SocketGroup", layout.Group)
	b.setAll("SocketMode=0220\nDirectoryMode=0755\nPassCredentials=yes\nRemoveOnStop=yes\nTriggerLimitIntervalSec=0")
	b.set("Slice", layout.Slice(r.Name))
	b.quiet()
	return b
}

// slice is where limits for one rpcd are set, broker and workers together.
func slice(r *plan.Rpcd) *builder {
	b := newBuilder()
	b.in("Unit")
	b.set("Description", "MSRPC service "+r.Name)
	b.set("Documentation", manuals)
	b.path("SourcePath", r.Exec)
	b.set("StopWhenUnneeded", "yes")
	b.in("Slice")
	b.setAll("MemoryAccounting=yes\nTasksAccounting=yes")
	return b
}
