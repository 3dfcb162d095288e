// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/flags"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// This file owns tests about what tickets and authenticators say.

// accepted hands in an AP-REQ whose ticket and authenticator were changed.
func accepted(t *testing.T, ticket func(*messages.EncTicketPart), authenticator func(*types.Authenticator)) (*request, error) {
	t.Helper()
	kt, file := serviceKeys(t, aes256SHA1)
	client := types.NewPrincipalName(1, "user1")
	a, err := types.NewAuthenticator("TEST", client)
	if err != nil {
		t.Fatal(err)
	}
	a.Cksum = types.Checksum{CksumType: 0x8003, Checksum: binary.LittleEndian.AppendUint32(make([]byte, 20), flagDCEStyle)}
	if ticket == nil {
		ticket = func(*messages.EncTicketPart) {}
	}
	tkt, session := newTicket(t, kt, client, types.NewPrincipalName(1, "host/server.test"), aes256SHA1, time.Now(), func(p *messages.EncTicketPart) {
		ticket(p)
		a.CName, a.CRealm = p.CName, p.CRealm
	})
	if authenticator != nil {
		authenticator(&a)
	}
	req, err := messages.NewAPReq(tkt, session, a)
	if err != nil {
		t.Fatal(err)
	}
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLibrary(file)
	if err != nil {
		t.Fatal(err)
	}
	return l.accept(b)
}

// withPAC puts authorization data around a PAC.
func withPAC(t *testing.T, p *messages.EncTicketPart, pac []byte) {
	t.Helper()
	inner, err := asn1.Marshal(types.AuthorizationData{{ADType: adPAC, ADData: pac}})
	if err != nil {
		t.Fatal(err)
	}
	p.AuthorizationData = types.AuthorizationData{{ADType: adIfRelevant, ADData: inner}}
}

func TestTicketsThatProveNothingAreDenied(t *testing.T) {
	hour := time.Hour
	through := func(p *messages.EncTicketPart) {
		p.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("B.TEST")}
	}
	for text, c := range map[string]struct {
		ticket        func(*messages.EncTicketPart)
		authenticator func(*types.Authenticator)
	}{
		"is anonymous":       {ticket: func(p *messages.EncTicketPart) { p.CName = types.NewPrincipalName(11, "WELLKNOWN/ANONYMOUS") }},
		"no KDC has checked": {ticket: through},
		"not valid now": {ticket: func(p *messages.EncTicketPart) {
			p.StartTime, p.EndTime = p.StartTime.Add(-2*hour), p.EndTime.Add(-2*hour)
		}},
		"not valid now (early)": {ticket: func(p *messages.EncTicketPart) { p.StartTime = p.StartTime.Add(hour) }},
		"clocks of client":      {authenticator: func(a *types.Authenticator) { a.CTime = a.CTime.Add(-6 * time.Minute) }},
		"clocks of client (+)":  {authenticator: func(a *types.Authenticator) { a.CTime = a.CTime.Add(6 * time.Minute) }},
		"of another client":     {authenticator: func(a *types.Authenticator) { a.CName = types.NewPrincipalName(1, "user2") }},
		"not signed with":       {ticket: func(p *messages.EncTicketPart) { withPAC(t, p, make([]byte, 100)) }},
	} {
		text, _, _ = strings.Cut(text, " (")
		if _, err := accepted(t, c.ticket, c.authenticator); !errors.Is(err, auth.ErrDenied) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for what, ticket := range map[string]func(*messages.EncTicketPart){
		"as it is":        nil,
		"through a realm": func(p *messages.EncTicketPart) { through(p); types.SetFlag(&p.Flags, flags.TransitedPolicyChecked) },
	} {
		if r, err := accepted(t, ticket, nil); err != nil || r.client != "user1" || r.pac != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAPACWithoutAnAccountIsNone(t *testing.T) {
	kt, _ := serviceKeys(t, aes256SHA1)
	k := kt.Entries[0].Key
	for kind, want := range map[uint32]bool{pacLogonInfo: true, 10: false} {
		r, err := accepted(t, func(p *messages.EncTicketPart) { withPAC(t, p, newPAC(t, k, kind)) }, nil)
		if err != nil || (r.pac != nil) != want {
			t.Errorf("buffer of type %d: %v", kind, err)
		}
	}
}

// wanting are accounts of a host that wants PACs.
type wanting struct{ auth.Accounts }

func (wanting) PAC(_ context.Context, pac []byte) (*auth.Account, error) {
	if pac == nil {
		return nil, auth.ErrDenied
	}
	return &auth.Account{}, nil
}

func TestAccountsSayWhetherATicketNeedsAPAC(t *testing.T) {
	p, file := newPeer(t, aes256SHA1, "1.2.840.113554.1.2.2")
	m, err := New(file, wanting{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := m.Begin(dcerpc.LevelConnect)
	reply, _, err := c.Step(context.Background(), p.hear()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := c.Step(context.Background(), p.say("token", reply)[0]); done || !errors.Is(err, auth.ErrDenied) || c.Caller() != nil {
		t.Errorf("no PAC: %v", err)
	}
}

func TestPrivacyNeedsItsFlagAtTheThirdLeg(t *testing.T) {
	for flag, want := range map[uint32]string{flagDCEStyle: "privacy needs", flagDCEStyle | flagPrivacy: "malformed"} {
		r, err := accepted(t, nil, func(a *types.Authenticator) { binary.LittleEndian.PutUint32(a.Cksum.Checksum[20:], flag) })
		check.OK(t, err)
		c := securityContext{m: &Mechanism{library: &gokrb5{}}, state: state{Level: dcerpc.LevelPrivacy}, request: r}
		if _, done, err := c.Step(context.Background(), []byte{1}); done || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("flags 0x%x: %v", flag, err)
		}
	}
}
