// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	client "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// Who may call the reader's rpcd, by accounts of winbindd, and what the journal says
// of those who may not.

const counterUnit = "msrpc-worker-counter@0.service"

// setBase calls the operation that is for Administrators.
func (h *host) setBase(how auth.Mechanism) error {
	h.t.Helper()
	c := client.New(h.dial("/run/samba/ncalrpc/rpcd_counter"), "counter", client.Options{Auth: how, Level: dcerpc.LevelIntegrity})
	defer c.Close()
	err := c.Bind(context.Background(), 0, counterID)
	if err == nil {
		_, _, err = c.CallStub(context.Background(), client.Operation{Interface: counterID, Opnum: 3}, []byte{7, 0, 0, 0})
	}
	return err
}

func as(domain, user, secret string) auth.Mechanism {
	return &spnego.Client{Mechanism: &ntlm.Client{Account: user, Domain: domain, Hash: ntlm.Hash([]byte(secret))}}
}

// logged holds that the journal has a cause, once, with the account.
func (h *host) logged(unit, cause, account string) {
	h.t.Helper()
	h.run("journalctl", "--sync")
	out, _ := h.try("journalctl", "--no-pager", "-o", "json", "--output-fields=MSRPC_CAUSE,MSRPC_ACCOUNT,MESSAGE", "-u", unit, "MSRPC_CAUSE="+cause)
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, account) {
		h.t.Errorf("%s of %q is not logged once, but\n%s", cause, account, out)
		defer h.t.Log(h.journal("-u", unit, "-u", authUnit))
	}
}

// noTicket is a client of Kerberos that has none.
type noTicket struct{ auth.Mechanism }

func (noTicket) Service() byte                    { return dcerpc.AuthKerberos }
func (noTicket) Begin(byte) (auth.Context, error) { return noContext{}, nil }

type noContext struct{ auth.Context }

func (noContext) Step(context.Context, []byte) ([]byte, bool, error) {
	return []byte("no ticket"), false, nil
}
func (noContext) Caller() *auth.Caller { return nil }
func (noContext) Close()               {}

// accounts makes users of the host, each with what makes it unable to log on.
const accounts = `
net sam createbuiltingroup Administrators; net sam addmem 'BUILTIN\Administrators' root
for u in user1 user2 user3 user4; do
	useradd -M $u; printf '%s\n%s\n' secret secret | smbpasswd -s -a $u
done
smbpasswd -d user2; pdbedit -c '[L]' user3; pdbedit -K 1000 user4
`

func TestAdministratorsMayAndEachRefusalHasItsCause(t *testing.T) {
	h := read(t).on(t, global("idmap config * : backend = tdb"), global("idmap config * : range = 100000-199999")).smbd()
	h.run("systemctl", "start", "winbind.service")
	h.sh(accounts)
	check.OK(t, h.setBase(as("MSRPCTEST", "root", password)))
	if err := h.setBase(as("MSRPCTEST", "user1", "secret")); !errors.Is(err, dcerpc.FaultAccessDenied) || errors.Is(err, client.ErrLogon) {
		t.Errorf("a user who is not in Administrators: %v", err)
	}
	if err := h.setBase(nil); !errors.Is(err, dcerpc.FaultAccessDenied) {
		t.Errorf("root of this host, who is no account of the domain: %v", err)
	}
	refused := func(cause, domain, user, secret string) {
		t.Helper()
		if err := h.setBase(as(domain, user, secret)); !errors.Is(err, client.ErrLogon) {
			t.Errorf("%s: %v", cause, err)
		}
		h.logged(counterUnit, cause, user)
	}
	h.logged(counterUnit, "not-allowed", "user1")
	refused("wrong-password", "MSRPCTEST", "root", "wrong")
	refused("unknown-account", "MSRPCTEST", "user9", "secret")
	refused("account-disabled", "MSRPCTEST", "user2", "secret")
	refused("account-locked", "MSRPCTEST", "user3", "secret")
	refused("account-expired", "MSRPCTEST", "user4", "secret")
	h.run("systemctl", "stop", "winbind.service")
	refused("winbindd-stopped", "MSRPCTEST", "root", password)

	if err := h.setBase(noTicket{}); !errors.Is(err, client.ErrLogon) {
		t.Errorf("no keytab: %v", err)
	}
	h.logged(counterUnit, "keytab-missing", "")
	h.MustWrite(t, "/etc/credstore/krb5.keytab", "no keytab")
	h.run("systemctl", "stop", authUnit)
	if err := h.setBase(noTicket{}); !errors.Is(err, client.ErrLogon) {
		t.Errorf("a keytab that is none: %v", err)
	}
	h.logged(counterUnit, "keytab-unusable", "")
	h.run("systemctl", "stop", authUnit)
	if state := h.property(authUnit, "ActiveState"); state != "inactive" {
		t.Errorf("%s is %s when it was stopped", authUnit, state)
	}
}

// administratorsOfTheDomain are in the local group of a member, other users are not.
func (h *host) administratorsOfTheDomain(dc *host) {
	h.t.Helper()
	user, secret, _ := strings.Cut(admin, "%")
	check.OK(h.t, h.setBase(as(domainName, user, secret)))
	dc.run("samba-tool", "user", "create", "user1", "Secret-of-user1")
	if err := h.setBase(as(domainName, "user1", "Secret-of-user1")); !errors.Is(err, dcerpc.FaultAccessDenied) || errors.Is(err, client.ErrLogon) {
		h.t.Errorf("a user who is not in Domain Admins: %v", err)
	}
	h.logged(counterUnit, "not-allowed", "user1")
	dc.run("samba-tool", "user", "disable", "user1")
	if err := h.setBase(as(domainName, "user1", "Secret-of-user1")); !errors.Is(err, client.ErrLogon) {
		h.t.Errorf("an account that is disabled: %v", err)
	}
	h.logged(counterUnit, "account-disabled", "user1")
}
