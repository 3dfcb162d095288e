// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
)

func TestTransportsFollowTheServerRole(t *testing.T) {
	two := []layout.Transport{layout.NP, layout.Ncalrpc}
	tcp := []layout.Transport{layout.TCP}
	dc := &Samba{ServerRole: RoleADDC}
	for _, tt := range []struct {
		name    string
		setting string
		kind    Kind
		samba   *Samba
		want    []layout.Transport
	}{
		{"a member server", "", KindSamba, &Samba{ServerRole: "member server"}, three},
		{"a classic domain controller has no samba(8)", "", KindSamba, &Samba{ServerRole: "classic primary domain controller"}, three},
		{"smb.conf could not be read", "", KindSamba, nil, three},
		{"a domain controller", "", KindSamba, dc, two},
		{"a native rpcd on a domain controller", "", KindNative, dc, three},
		{"a setting wins", "Transports=tcp\n", KindSamba, dc, tcp},
		{"a setting that is none", "Transports=none\n", KindSamba, dc, []layout.Transport{}},
		{"an empty value gives back the default", "Transports=tcp\nTransports=\n", KindSamba, dc, two},
		{"an empty value gives back all on a member server", "Transports=none\nTransports=\n", KindSamba, &Samba{}, three},
	} {
		c := load(t, map[string]string{
			"v:rpcd.d/50-samba.conf": "[Rpcd]\nKind=" + string(tt.kind) + "\nExec=/usr/libexec/samba/rpcd_winreg\n",
			"a:rpcd.d/winreg.conf":   "[Rpcd]\n" + tt.setting,
		})
		noProblems(t, c)
		r, _, _ := c.Override("winreg", "/usr/libexec/samba/rpcd_winreg")
		check.SameIn(t, tt.name, tt.want, r.On(tt.samba))
	}
}
