// SPDX-License-Identifier: Apache-2.0

// Where a command connects: a string binding, or the name of an rpcd of this
// host.

package ctl

import (
	"fmt"
	"net"
	"strings"

	"msrpcd/pkg/config"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/listing"
	"msrpcd/pkg/rpcclient"
	"msrpcd/pkg/unitgen"
)

// target is a server to connect to.
type target struct {
	binding    rpcclient.Binding
	ncalrpcDir string
	indexBits  int // high bits of a group's id that are the worker's index; 0 = not known
}

// findTarget finds out what text stands for. k is nil, and failed says why, on
// a host without a catalogue.
func findTarget(text string, k *known, failed error) (target, error) {
	t := target{ncalrpcDir: config.NoSamba(config.Global{}).NcalrpcDir}
	if k != nil && k.catalogue.Samba != nil {
		t.ncalrpcDir = k.catalogue.Samba.NcalrpcDir
	}
	if strings.Contains(text, ":") {
		b, err := rpcclient.ParseBinding(text)
		t.binding = b
		return t, err
	}
	if k == nil {
		return t, fmt.Errorf("%.60q is no binding, and no rpcd: %w", text, failed)
	}
	rpcds, err := k.selected([]string{text})
	if err != nil {
		return t, err
	}
	t.indexBits = rpcds[0].IndexBits
	t.binding, err = localBinding(rpcds[0])
	return t, err
}

// localBinding is the first endpoint of an rpcd that needs no SMB client.
func localBinding(r *unitgen.Rpcd) (rpcclient.Binding, error) {
	for _, transport := range []layout.Transport{layout.Ncalrpc, layout.TCP} {
		for _, l := range r.Listeners {
			if l.Transport != transport || len(l.Nodes) == 0 {
				continue
			}
			if transport == layout.Ncalrpc {
				return rpcclient.Binding{Protseq: listing.ProtseqNcalrpc, Endpoint: l.Nodes[0]}, nil
			}
			host, port, err := net.SplitHostPort(l.Nodes[0])
			return rpcclient.Binding{Protseq: listing.ProtseqTCP, Host: host, Endpoint: port}, err
		}
	}
	return rpcclient.Binding{}, fmt.Errorf("rpcd %s has named pipes only, which belong to an SMB client", r.Name)
}
