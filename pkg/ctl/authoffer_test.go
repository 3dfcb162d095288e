// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"os"
	"path/filepath"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/tests/tools/check"
)

func TestWhatMsrpcAuthOffers(t *testing.T) {
	dir, was := t.TempDir(), layout.CredentialStores
	layout.CredentialStores = []string{dir}
	t.Cleanup(func() { layout.CredentialStores = was })
	units := systemctl.Properties{"LoadCredential": [][]any{{layout.KeytabCredential, layout.KeytabCredential}, {layout.HashCredential, layout.HashCredential}}}
	check.Same(t, []offer{{"ntlm", "winbindd"}}, offersOf(units))
	keytab := filepath.Join(dir, layout.KeytabCredential)
	check.OK(t, os.WriteFile(keytab, nil, 0o600))
	check.Same(t, []offer{{"ntlm", "winbindd"}, {"krb5", keytab}}, offersOf(units))
	check.Same(t, []offer{{"ntlm", "/x"}}, offersOf(systemctl.Properties{"LoadCredential": [][]any{{layout.HashCredential, "/x"}}}))
}
