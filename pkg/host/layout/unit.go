// SPDX-License-Identifier: Apache-2.0

// This file owns the names of the units of one rpcd. What always holds:
// ParseUnit gives back what String made, and nothing else has a Unit.

package layout

import (
	"fmt"
	"strconv"
	"strings"
)

// UnitKind is what a unit is for its rpcd.
type UnitKind int

// The kinds of units.
const (
	KindNone     UnitKind = iota
	KindListener          // socket of one transport; of TCP also for one set of addresses
	KindBroker            // service
	KindInbox             // socket of one worker
	KindWorker            // service of one worker
	KindInboxes           // template of Inbox
	KindWorkers           // template of Worker
	KindSlice             // slice of all of these
)

// Unit is a unit of one rpcd.
type Unit struct {
	Kind      UnitKind
	Rpcd      string
	Transport Transport // of a Listener
	Set       int       // of a Listener of TCP: catalogue.Catalogue.Sets
	Index     int       // of an Inbox or a Worker
}

// String is the unit's name.
func (u Unit) String() string {
	switch u.Kind {
	case KindListener:
		if u.Set > 0 {
			return fmt.Sprintf("msrpc-%s-%s-%d.socket", u.Transport, u.Rpcd, u.Set)
		}
		return fmt.Sprintf("msrpc-%s-%s.socket", u.Transport, u.Rpcd)
	case KindBroker:
		return "msrpc-broker@" + u.Rpcd + ".service"
	case KindInbox:
		return fmt.Sprintf("msrpc-worker-%s@%d.socket", u.Rpcd, u.Index)
	case KindWorker:
		return fmt.Sprintf("msrpc-worker-%s@%d.service", u.Rpcd, u.Index)
	case KindInboxes:
		return "msrpc-worker-" + u.Rpcd + "@.socket"
	case KindWorkers:
		return "msrpc-worker-" + u.Rpcd + "@.service"
	case KindSlice:
		return "msrpc-" + u.Rpcd + ".slice"
	}
	return ""
}

// Template is the name of the template that the unit is an instance of, "" for
// none.
func (u Unit) Template() string {
	switch u.Kind {
	case KindBroker:
		return "msrpc-broker@.service"
	case KindInbox:
		return InboxTemplate(u.Rpcd)
	case KindWorker:
		return WorkerTemplate(u.Rpcd)
	}
	return ""
}

// ParseUnit takes apart a name that String made; ok is false for any other one.
func ParseUnit(name string) (u Unit, ok bool) {
	stem, ours := strings.CutPrefix(name, "msrpc-")
	dot := strings.LastIndexByte(stem, '.')
	if !ours || dot < 0 {
		return Unit{}, false
	}
	stem, suffix := stem[:dot], stem[dot+1:]
	class, instance, templated := strings.Cut(stem, "@")
	worker, ofWorker := strings.CutPrefix(class, "worker-")
	switch {
	case suffix == "slice":
		u = Unit{Kind: KindSlice, Rpcd: stem}
	case class == "broker" && suffix == "service":
		u = Unit{Kind: KindBroker, Rpcd: instance}
	case templated && ofWorker && (suffix == "socket" || suffix == "service"):
		u = Unit{Kind: KindWorkers, Rpcd: worker}
		if instance != "" {
			u.Kind, u.Index = KindWorker, number(instance)
		}
		if suffix == "socket" {
			u.Kind = map[UnitKind]UnitKind{KindWorker: KindInbox, KindWorkers: KindInboxes}[u.Kind]
		}
	case suffix == "socket":
		transport, rest, _ := strings.Cut(stem, "-")
		rpcd, set, _ := strings.Cut(rest, "-")
		u = Unit{Kind: KindListener, Rpcd: rpcd, Transport: Transport(transport), Set: number(set)}
		if !u.Transport.Valid() || u.Set > 0 && !u.Transport.IP() {
			return Unit{}, false
		}
	}
	if !ValidName(u.Rpcd) || u.String() != name {
		return Unit{}, false
	}
	return u, true
}

// number reads an index or a set; what is none comes out as another text.
func number(text string) int {
	n, _ := strconv.ParseUint(text, 10, 16)
	return int(n)
}

// ListenerSocket names the socket unit of one transport of one rpcd.
func ListenerSocket(t Transport, name string) string {
	return Unit{Kind: KindListener, Rpcd: name, Transport: t}.String()
}

// AddressSocket names the socket unit of TCP of one rpcd for the addresses of
// one set (catalogue.Catalogue.Sets); those of set 0 are in ListenerSocket.
func AddressSocket(name string, set int) string {
	return Unit{Kind: KindListener, Rpcd: name, Transport: TCP, Set: set}.String()
}

// AddressSockets is a pattern of the socket units of all sets but 0.
func AddressSockets(name string) string { return fmt.Sprintf("msrpc-%s-%s-*.socket", TCP, name) }

// BrokerService names the broker's unit.
func BrokerService(name string) string { return Unit{Kind: KindBroker, Rpcd: name}.String() }

// InboxTemplate names the template of the inboxes of one rpcd.
func InboxTemplate(name string) string { return Unit{Kind: KindInboxes, Rpcd: name}.String() }

// WorkerTemplate names the template of the workers of one rpcd.
func WorkerTemplate(name string) string { return Unit{Kind: KindWorkers, Rpcd: name}.String() }

// WorkerSocket names the inbox unit of worker index.
func WorkerSocket(name string, index int) string {
	return Unit{Kind: KindInbox, Rpcd: name, Index: index}.String()
}

// WorkerService names the unit of worker index.
func WorkerService(name string, index int) string {
	return Unit{Kind: KindWorker, Rpcd: name, Index: index}.String()
}

// Instances is a pattern of the names of all instances of a template.
func Instances(template string) string { return strings.Replace(template, "@.", "@*.", 1) }

// Slice names the slice of one rpcd.
func Slice(name string) string { return Unit{Kind: KindSlice, Rpcd: name}.String() }
