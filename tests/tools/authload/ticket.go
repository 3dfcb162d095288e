// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/asn1tools"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/asnAppTag"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/rpc/auth/ntlm"
)

// This file owns who the clients are. There is no KDC: they know the key of the
// service and make their tickets.

const (
	account  = "root"
	password = "Password"
	realm    = "TEST.EXAMPLE"
	service  = "host/server.test.example"
	etype    = 18
)

// mechanism is how clients authenticate, nil for not at all.
func mechanism(name string) (auth.Mechanism, error) {
	switch name {
	case "":
		return nil, nil
	case "ntlm":
		return &ntlm.Client{Account: account, Hash: ntlm.Hash([]byte(password))}, nil
	case "krb5":
		return newTicket()
	}
	return nil, fmt.Errorf("%q is not a mechanism", name)
}

// serviceKey is the keytab of the service, the same each time.
func serviceKey() (*keytab.Keytab, error) {
	kt := keytab.New()
	return kt, kt.AddEntry(service, realm, password, time.Unix(1, 0), 1, etype)
}

// writeKeytab writes it for a server.
func writeKeytab(path string) error {
	kt, err := serviceKey()
	if err != nil {
		return err
	}
	b, err := kt.Marshal()
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func newTicket() (*krb5.Client, error) {
	kt, err := serviceKey()
	if err != nil {
		return nil, err
	}
	e, err := crypto.GetEtype(etype)
	if err != nil {
		return nil, err
	}
	c := &krb5.Client{Name: types.NewPrincipalName(1, account), Realm: realm}
	if c.Session, err = types.GenerateEncryptionKey(e); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	b, err := asn1.Marshal(messages.EncTicketPart{Flags: types.NewKrbFlags(), Key: c.Session, CRealm: realm, CName: c.Name,
		AuthTime: now, StartTime: now, EndTime: now.Add(time.Hour)})
	if err != nil {
		return nil, err
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncTicketPart), kt.Entries[0].Key, keyusage.KDC_REP_TICKET, 1)
	c.Ticket = messages.Ticket{TktVNO: 5, Realm: realm, SName: types.NewPrincipalName(2, service), EncPart: sealed}
	return c, err
}
