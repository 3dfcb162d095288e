// SPDX-License-Identifier: Apache-2.0

// What status says of the ways in which clients authenticate themselves at a native
// rpcd: those of msrpc-auth, which its workers want.

package ctl

import (
	"context"
	"slices"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/wanted"
)

// offer is one way.
type offer struct {
	Mechanism string `json:"mechanism"` // ntlm or krb5; spnego goes with either
	Source    string `json:"source"`    // of accounts or keys: winbindd, or a path
}

// offered are those of one rpcd.
func offered(ctx context.Context, m manager, r *plan.Rpcd) []offer {
	if m == nil || r.Kind != config.KindNative {
		return nil
	}
	worker, err := m.Properties(ctx, layout.WorkerService(r.Name, 0))
	if err != nil || !slices.Contains(worker.Texts("Wants"), layout.AuthSocketUnit) {
		return nil
	}
	auth, err := m.Properties(ctx, layout.AuthService)
	if err != nil {
		return nil
	}
	return offersOf(auth)
}

// offersOf are those of msrpc-auth.
func offersOf(auth systemctl.Properties) []offer {
	ntlm, krb5 := offer{"ntlm", "winbindd"}, offer{"krb5", ""}
	for _, c := range auth.Pairs("LoadCredential") {
		switch path := wanted.Stored(c[1]); {
		case path == "":
		case c[0] == layout.HashCredential:
			ntlm.Source = path
		case c[0] == layout.KeytabCredential:
			krb5.Source = path
		}
	}
	if krb5.Source == "" {
		return []offer{ntlm}
	}
	return []offer{ntlm, krb5}
}
