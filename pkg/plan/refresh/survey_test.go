// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
)

func TestAHostWithoutSamba(t *testing.T) {
	global := config.Global{SambaConfig: filepath.Join(t.TempDir(), "smb.conf"), Testparm: "testparm"}
	known := &config.Samba{Version: "4.17.12", NPDir: "/srv/np"}
	of := func(kind config.Kind, program string) []config.Rpcd {
		list := rpcds(t, "x", program)
		list[0].Kind = kind
		return list
	}
	const there = "#!/bin/sh\n"
	for _, c := range []struct {
		name  string
		rpcds []config.Rpcd
		old   *catalogue.Catalogue
		want  *config.Samba
		err   error
	}{
		{"native rpcds, first refresh", of(config.KindNative, there), nil, config.NoSamba(global), nil},
		{"native rpcds stay", of(config.KindNative, there), &catalogue.Catalogue{Samba: known}, config.NoSamba(global), nil},
		{"native rpcds again", of(config.KindNative, there), &catalogue.Catalogue{Samba: config.NoSamba(global)}, config.NoSamba(global), nil},
		{"nothing is installed", of(config.KindNative, ""), nil, nil, ErrNoRpcd},
		{"Samba's rpcds go", of(config.KindSamba, ""), &catalogue.Catalogue{Samba: known}, known, nil},
		{"Samba's are there", of(config.KindSamba, there), &catalogue.Catalogue{Samba: known}, nil, config.ErrNoSambaConfig},
		{"both are there", append(of(config.KindNative, there), of(config.KindSamba, there)...), nil, nil, config.ErrNoSambaConfig},
	} {
		r := &Refresher{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		got, err := r.samba(context.Background(), &config.Config{Global: global}, c.rpcds, c.old)
		if !errors.Is(err, c.err) || (got == nil) != (c.want == nil) || got != nil && (got.Installed() != c.want.Installed() || got.NPDir != c.want.NPDir) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}
