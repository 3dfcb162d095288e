// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/keytab"

	"msrpcd/tests/tools/check"
)

// This file owns keys that msrpc-auth cannot use: a client that needs them is
// refused in time, the journal says why, and nothing is left of it afterwards.

const keytabFile = "/etc/credstore/wrong.keytab"

// anotherRealm is a keytab with the service of a member, of another realm.
func anotherRealm(t *testing.T) string {
	t.Helper()
	kt := keytab.New()
	check.OK(t, kt.AddEntry("host/"+memberName, "ANOTHER.EXAMPLE.COM", password, time.Now(), 1, 18))
	b, err := kt.Marshal()
	check.OK(t, err)
	return string(b)
}

// deniesWithWrongKeys is about a member with winbindd: NTLM has no use for a keytab.
func (h *host) deniesWithWrongKeys(t *testing.T) {
	kerberos := func() tortured {
		return h.torture("rpc.echo", "ncacn_ip_tcp:"+memberName+"["+echoPort+",sign,spnego]", "-U", admin, "--use-kerberos=required")
	}
	h.sh("mkdir -p -m 700 /etc/credstore")
	for _, tt := range []struct{ what, content, log string }{
		{"another realm", anotherRealm(t), "no key of the keytab opens the ticket"},
		{"no keytab", "not a keytab", "there is no Kerberos"},
		{"an empty file", "", "there is no Kerberos"},
	} {
		h.MustWrite(t, keytabFile, tt.content)
		h.authSettings("LoadCredential=krb5.keytab:" + keytabFile)
		if o := kerberos(); o.successes() > 0 {
			t.Errorf("%s: Kerberos is served: %v", tt.what, o.of)
		}
		h.echoes(memberName, "sign,ntlm", "-U", admin)
		if log := h.journal("-u", authUnit, "-u", echoUnit, "--since", "-20s"); !strings.Contains(log, tt.log) {
			t.Errorf("%s: no word of %q in the journal:\n%s", tt.what, tt.log, log)
		}
	}

	h.sh("rm " + keytabFile) // systemd does not start the service
	h.authSettings("LoadCredential=krb5.keytab:" + keytabFile)
	for range 3 {
		if o := kerberos(); o.successes() > 0 {
			t.Errorf("without msrpc-auth Kerberos is served: %v", o.of)
		}
	}
	h.run("rpcclient", "ncacn_ip_tcp:"+memberName+"["+echoPort+"]", "-N", "-c", "echoaddone 1") // others are served
	h.authSettings("LoadCredential=krb5.keytab:/etc/krb5.keytab")
	h.eventually(func() error {
		if failed := kerberos().echoFailures(); len(failed) > 0 {
			return fmt.Errorf("with the keytab again: %q", failed)
		}
		return nil
	})
}
