// SPDX-License-Identifier: Apache-2.0

// What several commands read: catalogue and configuration, and the plan that
// follows from them.

package ctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// load makes the plan of this host.
func load() (*plan.Plan, error) {
	c, err := catalogue.Read(layout.Catalogue())
	if errors.Is(err, catalogue.ErrNone) {
		return nil, fmt.Errorf("nothing is known of this host yet: %w; run msrpcctl refresh", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; run msrpcctl refresh", err)
	}
	cfg, err := config.Load("")
	if err != nil {
		return nil, err
	}
	return plan.New(c, cfg), nil
}

// selected returns all planned rpcds, or the one of that name.
func selected(served *plan.Plan, names []string) ([]*plan.Rpcd, error) {
	var rpcds []*plan.Rpcd
	if len(names) == 0 {
		for i := range served.Rpcds {
			rpcds = append(rpcds, &served.Rpcds[i])
		}
		return rpcds, nil
	}
	for _, n := range names {
		r := served.Rpcd(n)
		switch {
		case r != nil:
			rpcds = append(rpcds, r)
		case slices.Contains(served.KeepOut, n):
			return nil, fmt.Errorf("rpcd %s keeps out, since Samba serves this elsewhere; msrpcctl list %s says more", n, n)
		case served.Catalogue.Entry(n) != nil:
			return nil, fmt.Errorf("rpcd %s has no listener; msrpcctl list %s says what it serves", n, n)
		default:
			return nil, fmt.Errorf("there is no rpcd %q; msrpcctl list shows all", n)
		}
	}
	return rpcds, nil
}

// completeNames completes the name of an rpcd as argument number position.
func completeNames(position int) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		served, err := load()
		if len(given) != position || err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, e := range served.Catalogue.Rpcds {
			if strings.HasPrefix(e.Name, prefix) {
				names = append(names, e.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
