// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/msrpc/mgmt/mgmt/v1"
	"github.com/oiweiwei/go-msrpc/ssp"
	"github.com/oiweiwei/go-msrpc/ssp/credential"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
)

// This file owns how the client authenticates itself: flags, and what go-msrpc wants
// to have of them.

var (
	mechanism = flag.String("mechanism", "", "ntlm, krb5 (with KRB5_CONFIG) or spnego, which is over NTLM")
	user      = flag.String("user", "", `DOMAIN\USER or USER@REALM`)
	secret    = flag.String("password", "", "of the user")
	target    = flag.String("target", "", "principal of the server")
	level     = flag.Uint("level", 6, "authentication level, 2 to 6")
)

// services are mechanisms as binds name them.
var services = map[string]dcerpc.AuthType{"ntlm": dcerpc.AuthTypeWinNT, "krb5": dcerpc.AuthTypeKerberos, "spnego": dcerpc.AuthTypeGSSNegotiate}

// authenticated adds who the client is to ctx, and returns the options of a bind.
func authenticated(ctx context.Context) (context.Context, []dcerpc.Option, error) {
	if *mechanism == "" {
		return ctx, []dcerpc.Option{dcerpc.WithInsecure()}, nil
	}
	service, ok := services[*mechanism]
	if !ok {
		return ctx, nil, fmt.Errorf("%q is not a mechanism", *mechanism)
	}
	options := []gssapi.ContextOption{gssapi.WithCredential(credential.NewFromPassword(*user, *secret))}
	switch *mechanism {
	case "krb5":
		options = append(options, gssapi.WithMechanismFactory(ssp.KRB5))
	case "ntlm":
		options = append(options, gssapi.WithMechanismFactory(ssp.NTLM))
	default:
		options = append(options, gssapi.WithMechanismFactory(ssp.SPNEGO), gssapi.WithMechanismFactory(ssp.NTLM))
	}
	return gssapi.NewSecurityContext(ctx, options...), []dcerpc.Option{dcerpc.WithSecurtyProvider(service),
		dcerpc.WithSecurityLevel(dcerpc.AuthLevel(*level)), dcerpc.WithTargetName(*target)}, nil
}

// interfaces asks any server what it serves, by mgmt.
func interfaces(ctx context.Context, conn dcerpc.Conn, options []dcerpc.Option) ([]string, error) {
	m, err := mgmt.NewManagementClient(ctx, conn, options...)
	if err != nil {
		return nil, err
	}
	answer, err := m.InquireInterfaceIDs(ctx, &mgmt.InquireInterfaceIDsRequest{})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, id := range answer.InterfaceIDVector.InterfaceID {
		lines = append(lines, fmt.Sprintf("%s %d.%d", id.UUID, id.VersMajor, id.VersMinor))
	}
	return lines, nil
}
