// SPDX-License-Identifier: Apache-2.0

// The item of msrpc-auth: what its unit gives it is there and can be used, and the
// winbindd that it asks runs on members of a domain. A host without winbindd
// and without credentials is one whose clients do not authenticate at native rpcds.

package wanted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/wire/printable"
)

const (
	winbindUnit     = "winbind.service"
	authenticationI = "authentication" // id of what an msrpc-auth that fails may follow from
	maxCredential   = 8 << 20          // bytes that are looked at
)

type authentication struct{}

func (authentication) Check(_ context.Context, s *State) []Finding {
	native := slices.ContainsFunc(s.Plan.Rpcds, func(r plan.Rpcd) bool { return r.Kind == config.KindNative })
	if !native || s.units == nil || !s.serving() {
		return nil
	}
	var fs []Finding
	hasHashes := false
	for _, c := range s.details[layout.AuthService].Pairs("LoadCredential") {
		path := Stored(c[1])
		hasHashes = hasHashes || c[0] == layout.HashCredential && path != ""
		if !s.Root || path == "" {
			continue
		}
		if err := usable(c[0], path); err != nil {
			fs = append(fs, found(checkAuthentication, "msrpc-auth cannot use its credential %s: %v", printable.Text(c[0]), err).of("", layout.AuthService).
				named(authenticationI).remedy(fmt.Sprintf("make %s again, or remove it, or its LoadCredential= in a drop-in of %s; then run systemctl stop %[2]s, so that the next client starts it anew",
				printable.Text(path), layout.AuthService), "systemctl daemon-reload", "systemctl stop "+layout.AuthService, "systemctl reset-failed "+layout.AuthService))
		}
	}
	if f, bad := winbindd(s); bad && !hasHashes {
		fs = append(fs, f)
	}
	return fs
}

// Stored is the path of a credential, "" for one that systemd leaves out.
func Stored(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	for _, dir := range layout.CredentialStores {
		if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
			return filepath.Join(dir, path)
		}
	}
	return ""
}

// usable reads what a credential of msrpc-auth is made of.
func usable(name, path string) error {
	if name != layout.KeytabCredential && name != layout.HashCredential {
		return nil
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", printable.Text(path))
	case err != nil:
		return err
	case st.Size() > maxCredential:
		return fmt.Errorf("%s is longer than %d bytes", printable.Text(path), maxCredential)
	case !st.Mode().IsRegular():
		return nil // a socket, which systemd reads
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(b)
	if name == layout.KeytabCredential {
		_, err = krb5.New(b, nil)
	} else {
		_, err = hashes.Parse(string(b))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", printable.Text(path), err)
	}
	return nil
}

// joined reports whether this host is a member of a domain and has joined it: then
// Samba's secrets have its password. Only root can know.
func joined(s *State) bool {
	if s.samba == nil || s.samba.ServerRole != "member server" {
		return false
	}
	f, err := os.Open(filepath.Join(s.samba.PrivateDir, "secrets.tdb"))
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCredential))
	defer clear(b)
	return err == nil && (bytes.Contains(b, []byte("SECRETS/MACHINE_PASSWORD/")) || bytes.Contains(b, []byte("SECRETS/MACHINE_DOMAIN_INFO/")))
}

// winbindd has to run on members of a domain, and has failed nowhere.
func winbindd(s *State) (Finding, bool) {
	u := s.units[winbindUnit]
	member := joined(s)
	f := found(checkAuthentication, "winbindd is not installed: no account of the domain can authenticate itself at a native rpcd").named("winbindd").
		remedy("install winbind; where accounts come from elsewhere, give msrpc-auth a file of hashes, see msrpc-auth(8)")
	switch {
	case u.Up() || u.Queued():
		return f, false
	case u.Load != "loaded":
		return f, member
	case !member && u.Active != "failed":
		return f, false
	}
	return found(checkAuthentication, "%s is %s: no account of winbindd can authenticate itself at a native rpcd", winbindUnit, u.Active).of("", winbindUnit).
		named("winbindd").remedy("run systemctl start "+winbindUnit+"; where it is not wanted, give msrpc-auth a file of hashes", "systemctl start "+winbindUnit), true
}
