// SPDX-License-Identifier: Apache-2.0

// Command gomsrpc asks an endpoint mapper with the client of go-msrpc, which
// shares no code with msrpcd. It writes one line for each entry, sorted:
//
//	gomsrpc [-max N] [-ndr64] BINDING                 ept_lookup
//	    UUID MAJOR.MINOR BINDING
//	gomsrpc [-ndr64] -map UUID/MAJOR.MINOR BINDING    ept_map, over TCP
//	    BINDING
//	gomsrpc [-ndr64] -mgmt BINDING                    mgmt_inq_if_ids of any server
//	    UUID MAJOR.MINOR
//
// BINDING is the mapper's, such as ncacn_ip_tcp:127.0.0.1[135]. Options of auth.go say
// how it authenticates itself.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/midl/uuid"
	"github.com/oiweiwei/go-msrpc/msrpc/dcetypes"
	"github.com/oiweiwei/go-msrpc/msrpc/epm/epm/v3"
)

// notRegistered is ept_s_not_registered (C706 appendix E): nothing more.
const notRegistered = 0x16c9a0d6

var manage = flag.Bool("mgmt", false, "list the interfaces of a server")

func main() {
	max := flag.Uint("max", 500, "entries to ask for at once")
	ndr64 := flag.Bool("ndr64", false, "use NDR64")
	iface := flag.String("map", "", "interface to map, UUID/MAJOR.MINOR")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	lines, err := ask(ctx, flag.Arg(0), *ndr64, *iface, uint32(*max))
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Println(l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gomsrpc:", err)
		os.Exit(1)
	}
}

func ask(ctx context.Context, binding string, ndr64 bool, iface string, max uint32) ([]string, error) {
	host, _, ok := strings.Cut(strings.TrimPrefix(binding, "ncacn_ip_tcp:"), "[")
	if !ok {
		return nil, fmt.Errorf("%q is not a binding with a port", binding)
	}
	ctx, options, err := authenticated(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := dcerpc.Dial(ctx, host, dcerpc.WithEndpoint(binding))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	syntax := dcerpc.WithNDR20()
	if ndr64 {
		syntax = dcerpc.WithNDR64()
	}
	options = append(options, syntax)
	if *manage {
		return interfaces(ctx, conn, options)
	}
	mapper, err := epm.NewEpmClient(ctx, conn, options...)
	if err != nil {
		return nil, err
	}
	if iface != "" {
		return where(ctx, mapper, iface)
	}
	return list(ctx, mapper, max)
}

// list pages through all entries.
func list(ctx context.Context, mapper epm.EpmClient, max uint32) ([]string, error) {
	var lines []string
	request := &epm.LookupRequest{VersOption: 1, MaxEntries: max}
	for range 1000 {
		page, err := mapper.Lookup(ctx, request)
		if err != nil {
			return lines, err
		}
		for _, e := range page.Entries {
			if e == nil || e.Tower == nil {
				return lines, errors.New("an entry without a tower")
			}
			b := e.Tower.Binding()
			lines = append(lines, fmt.Sprintf("%s %d.%d %s", b.SyntaxID.IfUUID, b.SyntaxID.IfVersionMajor, b.SyntaxID.IfVersionMinor, bindingText(b.StringBinding)))
		}
		switch {
		case page.Status == notRegistered || page.Status == 0 && isNil(page.EntryHandle):
			return lines, nil
		case page.Status != 0:
			return lines, fmt.Errorf("ept_lookup: status %#x", page.Status)
		}
		request.EntryHandle = page.EntryHandle
	}
	return lines, errors.New("the list has no end")
}

// bindingText is the binding with ncalrpc as C706 and Samba call it.
func bindingText(b dcerpc.StringBinding) string {
	return strings.Replace(b.String(), "ncacnlrpc:", "ncalrpc:", 1)
}

func isNil(h *epm.LookupHandle) bool {
	return h == nil || h.UUID == nil ||
		h.UUID.Data1 == 0 && h.UUID.Data2 == 0 && h.UUID.Data3 == 0 && !slices.ContainsFunc(h.UUID.Data4, func(b byte) bool { return b != 0 })
}

// where asks for the TCP ports of one interface.
func where(ctx context.Context, mapper epm.EpmClient, iface string) ([]string, error) {
	var major, minor uint16
	text, version, _ := strings.Cut(iface, "/")
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return nil, fmt.Errorf("%q is not a version: %w", version, err)
	}
	answer, err := mapper.Map(ctx, &epm.MapRequest{
		MapTower: dcetypes.FloorsToTower([]*dcetypes.Floor{
			{Protocol: uint8(dcetypes.ProtocolUUID), UUID: id, VersionMajor: major, Data: binary.LittleEndian.AppendUint16(nil, minor)},
			{Protocol: uint8(dcetypes.ProtocolUUID), UUID: dcerpc.TransferNDR, VersionMajor: 2, Data: []byte{0, 0}},
			{Protocol: uint8(dcetypes.ProtocolRPC_CO), Data: []byte{0, 0}},
			{Protocol: uint8(dcetypes.ProtocolTCP), Data: []byte{0, 0}},
			{Protocol: uint8(dcetypes.ProtocolIP), Data: []byte{0, 0, 0, 0}},
		}),
		MaxTowers: 10,
	})
	if err != nil {
		return nil, err
	}
	if answer.Status != 0 {
		return nil, fmt.Errorf("ept_map: status %#x", answer.Status)
	}
	var lines []string
	for _, t := range answer.Towers {
		lines = append(lines, t.Binding().StringBinding.String())
	}
	return lines, nil
}
