// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

func TestWhatAuthenticatesIsThere(t *testing.T) {
	dir := t.TempDir()
	path := func(name, text string) string {
		check.OK(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	good, bad := path("good", "user1:1000:X:8846F7EAEE8FB117AD06BDD830B7586C:[U]:\n"), path("bad", "rubbish")
	layout.CredentialStores = []string{dir}
	path("secrets.tdb", "TDB file\x00SECRETS/SID/FS\x00SECRETS/MACHINE_PASSWORD/EXAMPLE\x00")
	unjoined := t.TempDir()
	up := systemctl.Unit{Load: "loaded", Active: "active"}
	for _, tc := range []struct {
		name        string
		kind        config.Kind
		role        string
		winbind     systemctl.Unit
		credentials [][]any
		want        string // of the one finding
	}{
		{"a standalone host without any", config.KindNative, "standalone server", systemctl.Unit{Load: "not-found"}, nil, ""},
		{"a member with winbindd", config.KindNative, "member server", up, nil, ""},
		{"a member without", config.KindNative, "member server", systemctl.Unit{Load: "not-found"}, nil, "winbindd is not installed"},
		{"a member whose winbindd is stopped", config.KindNative, "member server", systemctl.Unit{Load: "loaded", Active: "inactive"}, nil, "winbind.service is inactive"},
		{"a member that has not joined", config.KindNative, "unjoined", systemctl.Unit{Load: "loaded", Active: "inactive"}, nil, ""},
		{"a winbindd that failed", config.KindNative, "standalone server", systemctl.Unit{Load: "loaded", Active: "failed"}, nil, "winbind.service is failed"},
		{"a member with hashes", config.KindNative, "member server", systemctl.Unit{}, [][]any{{layout.HashCredential, good}}, ""},
		{"hashes that are none", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{layout.HashCredential, bad}}, bad + ": line 1"},
		{"a keytab that is none", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{layout.KeytabCredential, bad}}, "keytab cannot be read"},
		{"a keytab that is gone", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{layout.KeytabCredential, dir + "/gone"}}, "gone does not exist"},
		{"a keytab in no store", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{layout.KeytabCredential, "gone"}}, ""},
		{"a keytab in the store", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{layout.KeytabCredential, "bad"}}, bad},
		{"a credential of others", config.KindNative, "standalone server", systemctl.Unit{}, [][]any{{"other", dir + "/gone"}}, ""},
		{"no native rpcd", config.KindSamba, "member server", systemctl.Unit{}, [][]any{{layout.KeytabCredential, bad}}, ""},
	} {
		s := &State{Host: Host{Root: true}, Plan: &plan.Plan{Rpcds: []plan.Rpcd{{Kind: tc.kind}}}, samba: &config.Samba{ServerRole: tc.role, PrivateDir: dir},
			units:   map[string]systemctl.Unit{layout.Target: up, winbindUnit: tc.winbind},
			details: map[string]systemctl.Properties{layout.AuthService: {"LoadCredential": tc.credentials}}}
		if tc.role == "unjoined" {
			s.samba = &config.Samba{ServerRole: "member server", PrivateDir: unjoined}
		}
		fs := authentication{}.Check(context.Background(), s)
		if n := len(fs); tc.want == "" && n > 0 || tc.want != "" && (n != 1 || !strings.Contains(fs[0].What, tc.want) || fs[0].Remedy == "") {
			t.Errorf("%s: %+v", tc.name, fs)
		}
	}
}
