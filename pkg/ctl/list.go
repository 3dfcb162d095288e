// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/listing"
	"msrpcd/pkg/wire/printable"
)

// listed is one rpcd of msrpcctl list.
type listed struct {
	Name       string            `json:"name"`
	Exec       string            `json:"exec"`
	Kind       config.Kind       `json:"kind"`
	Activation string            `json:"activation,omitempty"` // broker or direct; "" without a listener
	Version    string            `json:"samba_version,omitempty"`
	Workers    int               `json:"workers"`
	Spares     int               `json:"spares"`
	IdleSec    int               `json:"idle_sec"`
	Port       int               `json:"port,omitempty"` // TCP port that was given out
	Interfaces []listedInterface `json:"interfaces"`
	Pipes      []string          `json:"pipes,omitempty"` // without DCE/RPC
	Endpoints  []listedEndpoint  `json:"endpoints"`
	Units      []string          `json:"units"`
	Failure    string            `json:"failure,omitempty"`   // why the last listing failed
	KeepsOut   string            `json:"keeps_out,omitempty"` // program of Samba that says that Samba serves this elsewhere
}

type listedInterface struct {
	Name     string   `json:"name"`
	UUID     string   `json:"uuid"`
	Version  string   `json:"version"` // MAJOR.MINOR
	Bindings []string `json:"bindings"`
}

type listedEndpoint struct {
	Transport layout.Transport `json:"transport"`
	Endpoint  string           `json:"endpoint"` // path of the node, or HOST:PORT
	Unit      string           `json:"unit"`
}

func (e *env) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [NAME]",
		Short: "Show what is served: rpcds, interfaces, endpoints, units",
		Long: `Show the RPC servers of this host from the catalogue: their interfaces, where
each is reached, and by which unit.`,
		Args:              args(0, 1, "at most one rpcd"),
		ValidArgsFunction: completeNames(0),
		RunE: func(_ *cobra.Command, names []string) error {
			served, err := load()
			if err != nil {
				return err
			}
			list := []listed{}
			for i := range served.Catalogue.Rpcds {
				entry := &served.Catalogue.Rpcds[i]
				if len(names) == 0 || names[0] == entry.Name {
					list = append(list, listedEntry(served, entry))
				}
			}
			if len(names) > 0 && len(list) == 0 {
				return fmt.Errorf("there is no rpcd %q; msrpcctl list shows all", names[0])
			}
			return e.show(list, func() {
				if len(list) == 0 {
					fmt.Fprintln(e.out, "no rpcd is known; install samba, then run msrpcctl refresh")
				}
				for i, l := range list {
					if i > 0 {
						fmt.Fprintln(e.out)
					}
					e.listText(&l)
				}
			})
		},
	}
}

func listedEntry(served *plan.Plan, entry *catalogue.Entry) listed {
	l := listed{
		Name: entry.Name, Exec: entry.Exec, Kind: entry.Kind, Version: entry.SambaVersion,
		Port: entry.Port, Failure: entry.Failure,
		Workers: entry.Listing.Workers, IdleSec: entry.Listing.IdleSec,
		Interfaces: []listedInterface{}, Endpoints: []listedEndpoint{}, Units: []string{},
	}
	for _, in := range entry.Listing.Interfaces {
		li := listedInterface{Name: in.Name, UUID: in.UUID.String(), Version: version(in), Bindings: []string{}}
		for _, b := range in.Bindings {
			li.Bindings = append(li.Bindings, b.String())
		}
		l.Interfaces = append(l.Interfaces, li)
	}
	for _, p := range entry.Listing.Pipes {
		l.Pipes = append(l.Pipes, p.Name)
	}
	if entry.KeepsOut() {
		l.KeepsOut = entry.SambaTwin.Exec
	}
	r := served.Rpcd(entry.Name)
	if r == nil {
		return l
	}
	l.Activation = activation(r)
	l.Workers, l.Spares, l.IdleSec = r.Workers, r.Spares, int(r.Idle/time.Second)
	for _, ls := range r.Listeners {
		for _, node := range ls.Nodes {
			l.Endpoints = append(l.Endpoints, listedEndpoint{ls.Transport, node, ls.Unit})
		}
		l.Units = append(l.Units, ls.Unit)
	}
	l.Units = append(l.Units, r.Service())
	if !r.Direct {
		l.Units = append(l.Units, layout.InboxTemplate(r.Name), layout.WorkerTemplate(r.Name))
	}
	l.Units = append(l.Units, layout.Slice(r.Name))
	return l
}

func version(in listing.Interface) string {
	return fmt.Sprintf("%d.%d", in.Version&0xffff, in.Version>>16)
}

func (e *env) listText(l *listed) {
	about := []string{string(l.Kind)}
	if l.Version != "" {
		about[0] += " " + l.Version
	}
	switch {
	case l.Activation == config.ActivationDirect:
		about = append(about, "no broker", fmt.Sprintf("idle %d s", l.IdleSec))
	case l.Workers > 0:
		about = append(about, printable.Count(l.Workers, "worker"), printable.Count(l.Spares, "spare"), fmt.Sprintf("idle %d s", l.IdleSec))
	}
	fmt.Fprintf(e.out, "%s: %s (%s)\n", l.Name, l.Exec, strings.Join(about, ", "))
	if l.Failure != "" {
		fmt.Fprintf(e.out, "  not listed: %s\n", l.Failure)
	}
	if len(l.Interfaces) == 0 && len(l.Pipes) == 0 {
		fmt.Fprintln(e.out, "  serves nothing on this host")
		return
	}
	rows := [][]string{{"INTERFACE", "UUID", "VERSION"}}
	for _, in := range l.Interfaces {
		rows = append(rows, []string{in.Name, in.UUID, in.Version})
	}
	table(e.out, "  ", rows)
	if l.KeepsOut != "" {
		fmt.Fprintf(e.out, "  keeps out: %s lists nothing in this host's role, so Samba serves it elsewhere\n", l.KeepsOut)
		return
	}
	if len(l.Endpoints) == 0 {
		fmt.Fprintln(e.out, "  has no listener: Transports= or another rpcd takes its endpoints")
		return
	}
	rows = [][]string{{"ENDPOINT", "UNIT"}}
	for _, ep := range l.Endpoints {
		rows = append(rows, []string{ep.text(), ep.Unit})
	}
	table(e.out, "  ", rows)
}

// text is the endpoint as in a binding string.
func (ep listedEndpoint) text() string {
	b := binding.Binding{Protseq: ep.Transport.Protseq(), Endpoint: ep.Transport.Prefix() + filepath.Base(ep.Endpoint)}
	if ep.Transport.IP() {
		i := strings.LastIndexByte(ep.Endpoint, ':')
		b.Host, b.Endpoint = ep.Endpoint[:i], ep.Endpoint[i+1:]
	}
	return b.String()
}
