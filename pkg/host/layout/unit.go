// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"strconv"
	"strings"
)

// Unit is what the name of a unit of one rpcd says.
type Unit struct {
	Rpcd      string
	Transport Transport // of a listener, else ""
	Broker    bool
	Worker    bool   // the service
	Inbox     bool   // the socket
	Index     int    // of a worker or an inbox
	Template  string // of a broker, a worker or an inbox
}

// ParseUnit takes apart what ListenerSocket, BrokerService, WorkerSocket and
// WorkerService made; ok is false for any other name.
func ParseUnit(name string) (u Unit, ok bool) {
	base, ours := strings.CutPrefix(name, "msrpc-")
	dot := strings.LastIndexByte(base, '.')
	if !ours || dot < 0 {
		return Unit{}, false
	}
	stem, suffix := base[:dot], base[dot+1:]
	if rpcd, ok := strings.CutPrefix(stem, "broker@"); ok && suffix == "service" && ValidName(rpcd) {
		return Unit{Rpcd: rpcd, Broker: true, Template: "msrpc-broker@.service"}, true
	}
	if worker, ok := strings.CutPrefix(stem, "worker-"); ok {
		rpcd, text, _ := strings.Cut(worker, "@")
		index, err := strconv.ParseUint(text, 10, 16)
		if err != nil || !ValidName(rpcd) || suffix != "service" && suffix != "socket" || strconv.Itoa(int(index)) != text {
			return Unit{}, false
		}
		return Unit{Rpcd: rpcd, Worker: suffix == "service", Inbox: suffix == "socket", Index: int(index), Template: WorkerTemplate(rpcd, suffix)}, true
	}
	for _, t := range Transports {
		rpcd, ok := strings.CutPrefix(stem, string(t)+"-")
		if name, text, more := strings.Cut(rpcd, "-"); more && t == TCP { // of a set of addresses
			if set, err := strconv.ParseUint(text, 10, 16); err == nil && set > 0 && strconv.Itoa(int(set)) == text {
				rpcd = name
			}
		}
		if ok && suffix == "socket" && ValidName(rpcd) {
			return Unit{Rpcd: rpcd, Transport: t}, true
		}
	}
	return Unit{}, false
}
