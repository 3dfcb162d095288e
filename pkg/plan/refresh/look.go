// SPDX-License-Identifier: Apache-2.0

// Looking whether the catalogue still follows from this host: what a refresh
// would find otherwise, at a small part of its cost. It is done at each start
// of the target, since while it was stopped no path unit watched.

package refresh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/wanted"
)

// Stale says what of the catalogue does not follow from this host any more, ""
// for nothing. With network it looks only at what a change of the network may
// change.
func (r *Refresher) Stale(ctx context.Context, network bool) (string, error) {
	c, err := catalogue.Read(r.Catalogue)
	if errors.Is(err, catalogue.ErrNone) {
		return "", nil // the first refresh is wanted by the target
	}
	if err != nil {
		return err.Error(), nil
	}
	if names := c.Pending(); len(names) > 0 {
		return strings.Join(names, ", ") + " could not be listed", nil
	}
	if c.Samba == nil {
		return "smb.conf was not readable", nil
	}
	now, err := r.Host.Addresses(c.Samba)
	if err != nil {
		return "", err
	}
	if !wanted.SameAddresses(c.Addresses, now) {
		return fmt.Sprintf("TCP listeners are to have the addresses %s", strings.Join(now, ", ")), nil
	}
	if network {
		return "", nil
	}
	return r.staleFiles(ctx, c)
}

// staleFiles compares with programs, configuration and smb.conf.
func (r *Refresher) staleFiles(ctx context.Context, c *catalogue.Catalogue) (string, error) {
	cfg, err := config.Load(r.Root)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(r.Catalogue); err == nil && newest(r.inputs(cfg)).After(st.ModTime()) {
		return "programs or configuration changed since the last refresh", nil
	}
	if !unchanged(c.Rpcds) {
		return "programs were replaced since the last refresh", nil
	}
	if !c.Samba.Installed() {
		return "", nil
	}
	now, err := r.Host.Samba(ctx, cfg.Global)
	if err != nil {
		return err.Error(), nil
	}
	if !reflect.DeepEqual(now, c.Samba) {
		return "smb.conf says something else than at the last refresh", nil
	}
	return "", nil
}
