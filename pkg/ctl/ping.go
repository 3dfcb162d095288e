// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
)

const pingLong = `Connect to a server, bind an interface and disconnect, and show which worker
answered and how long it took.

BINDING is ncacn_ip_tcp:HOST[PORT], ncacn_ip_tcp:HOST, whose endpoint mapper is
asked for the port, ncalrpc:[NAME], the name of an rpcd of this host, or an
address or a host name with a dot; where no interface is named, that stands for
the endpoint mapper there.
INTERFACE is a name or UUID/VERSION; without it, it is the management interface,
which every server has.

With authentication it also makes a call of the management interface, so that the
protection is tried.` + authHelp

// pinged is what ping found out.
type pinged struct {
	Binding   string `json:"binding"`
	Interface string `json:"interface"` // UUID/MAJOR.MINOR
	Name      string `json:"name,omitempty"`
	Tries     []try  `json:"tries"`
	Answered  int    `json:"answered"`
	Connect   *span  `json:"connect,omitempty"` // nil when none answered
	Bind      *span  `json:"bind,omitempty"`

	Auth *authenticated `json:"authentication,omitempty"` // of the last that answered
}

// try is one connection.
type try struct {
	Number  int     `json:"number"` // from 1
	Group   uint32  `json:"association_group,omitempty"`
	Worker  uint32  `json:"worker"`               // its index, from the group's id
	Connect float64 `json:"connect_ms,omitempty"` // milliseconds
	Bind    float64 `json:"bind_ms,omitempty"`    // from bind to bind_ack, or the end of the handshake, milliseconds
	Error   string  `json:"error,omitempty"`      // "" = it answered
}

// span is what many tries took, in milliseconds.
type span struct {
	Min float64 `json:"min_ms"`
	Avg float64 `json:"avg_ms"`
	Max float64 `json:"max_ms"`
}

// pinger is the options of ping, and what it works on.
type pinger struct {
	count             int
	interval, timeout float64 // seconds
	indexBits         int
	target            target
	iface             dcerpc.SyntaxID
	credentials
}

func (e *env) pingCommand() *cobra.Command {
	p := &pinger{}
	cmd := &cobra.Command{
		Use:   "ping BINDING [INTERFACE]",
		Short: "Connect and bind: which worker answers, and how fast",
		Long:  pingLong,
		Args:  args(1, 2, "a binding and at most one interface"),
		ValidArgsFunction: func(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 1 {
				return completeInterface(c, nil, prefix)
			}
			return completeNames(0)(c, given, prefix)
		},
		RunE: func(cmd *cobra.Command, given []string) error { return e.ping(cmd.Context(), p, given) },
	}
	f := cmd.Flags()
	f.IntVarP(&p.count, "count", "c", 1, "connect `N` times; 0 = until interrupted")
	f.Float64VarP(&p.interval, "interval", "i", 1, "wait `SECONDS` between connections")
	f.Float64VarP(&p.timeout, "timeout", "W", 10, "give a connection up after `SECONDS`")
	f.IntVar(&p.indexBits, "index-bits", 0, "high `BITS` of a group's id that are the worker's index: 16, or 8 for Samba up to 4.19")
	p.flags(cmd)
	cmd.RegisterFlagCompletionFunc("index-bits", cobra.FixedCompletions([]string{"8", "16"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check refuses options that make no sense.
func (p *pinger) check() error {
	switch {
	case p.count < 0:
		return usageError{fmt.Errorf("--count %d is less than 0", p.count)}
	case !(p.interval >= 0 && p.interval <= 86400):
		return usageError{fmt.Errorf("--interval %g is not from 0 to 86400", p.interval)}
	case p.indexBits != 0 && p.indexBits != 8 && p.indexBits != 16:
		return usageError{fmt.Errorf("--index-bits %d is neither 8 nor 16", p.indexBits)}
	}
	if err := p.credentials.check(); err != nil {
		return err
	}
	return checkTimeout(p.timeout)
}

func (e *env) ping(ctx context.Context, p *pinger, given []string) error {
	if err := p.check(); err != nil {
		return err
	}
	served, failed := load()
	known := allNames(served)
	var err error
	if p.target, err = findTarget(given[0], served, failed); err != nil {
		return err
	}
	p.iface, _ = known.parse("mgmt")
	if len(given) > 1 {
		if p.iface, err = known.parse(given[1]); err != nil {
			return err
		}
	}
	if len(given) == 1 && isHost(given[0]) {
		p.target.binding.Endpoint = mapperPort
	}
	if err := p.resolve(ctx, known, len(given) > 1); err != nil {
		return err
	}
	if _, err := p.options(ctx, p.target, rpcclient.Options{}); err != nil {
		return err // once, not with each try
	}
	if p.indexBits == 0 {
		p.indexBits = p.target.indexBits
	}
	if p.indexBits == 0 {
		p.indexBits = 16
	}
	r := &pinged{Binding: p.target.binding.String(), Interface: syntaxText(p.iface), Name: known.of(p.iface), Tries: []try{}}
	if !e.json {
		fmt.Fprintf(e.out, "ping %s at %s\n", known.text(p.iface), r.Binding)
	}
	p.run(ctx, r, func(t *try) {
		if !e.json {
			fmt.Fprintln(e.out, t.text())
		}
	})
	if err := e.show(r, func() { e.pingText(r) }); err != nil {
		return err
	}
	if r.Answered == 0 {
		return errSilent
	}
	return nil
}

// resolve asks the endpoint mapper for a port that was not given.
func (p *pinger) resolve(ctx context.Context, n names, named bool) error {
	switch {
	case p.target.binding.Endpoint != "":
		return nil
	case !named:
		return usageError{fmt.Errorf("%s has no port, and a mapper needs an interface to find one: name either", p.target.binding)}
	}
	return p.ask(ctx, n)
}

// ask asks the endpoint mapper at the target where the interface is.
func (p *pinger) ask(ctx context.Context, n names) error {
	t := p.target
	m, err := dialMapper(ctx, t, seconds(p.timeout), n, &p.credentials)
	if err != nil {
		return err
	}
	defer m.conn.Close()
	list, err := m.ask(ctx, p.iface)
	if err != nil {
		return err
	}
	for i := range list {
		if b, ok := list[i].tcp(t.binding.Host); ok {
			p.target.binding = b
			return nil
		}
	}
	return fmt.Errorf("the endpoint mapper of %s answers with no TCP port for interface %s", t.binding, n.text(p.iface))
}

// run connects until there were enough tries, or ctx ends.
func (p *pinger) run(ctx context.Context, r *pinged, done func(*try)) {
	for n := 1; p.count == 0 || n <= p.count; n++ {
		t, who := p.once(ctx, n)
		if ctx.Err() != nil {
			return // it was not the server's fault
		}
		if r.add(t); t.Error == "" {
			r.Auth = who
		}
		done(&t)
		if n == p.count {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(seconds(p.interval)):
		}
	}
}

// once connects and binds, and makes a call if that is protected.
func (p *pinger) once(ctx context.Context, n int) (t try, who *authenticated) {
	ctx, cancel := context.WithTimeout(ctx, seconds(p.timeout))
	defer cancel()
	t.Number = n
	o, err := p.options(ctx, p.target, rpcclient.Options{})
	start := time.Now()
	var c *rpcclient.Conn
	if err == nil {
		c, err = rpcclient.Dial(ctx, p.target.binding, o)
	}
	if err != nil {
		t.Error = err.Error()
		return t, nil
	}
	defer c.Close()
	connected := time.Now()
	err = c.Bind(ctx, 0, p.iface)
	bound := time.Now()
	if err == nil && o.Auth != nil {
		err = callMgmt(ctx, c, p.iface)
		if fault := new(rpcclient.Fault); o.Level == dcerpc.LevelConnect && errors.As(err, &fault) && !errors.Is(err, rpcclient.ErrLogon) {
			err = nil // nothing is protected; Samba's servers make no call of mgmt at this level
		}
	}
	if err != nil {
		t.Error = remedy(err).Error()
	}
	t.Connect, t.Bind = milliseconds(connected.Sub(start)), milliseconds(bound.Sub(connected))
	t.Group = c.Group()
	t.Worker = t.Group >> (32 - p.indexBits)
	return t, p.of(c)
}

// milliseconds with a resolution of 1 us.
func milliseconds(d time.Duration) float64 { return float64(max(d.Microseconds(), 1)) / 1000 }

// add counts a try.
func (r *pinged) add(t try) {
	r.Tries = append(r.Tries, t)
	if t.Error != "" {
		return
	}
	r.Answered++
	if r.Answered == 1 {
		r.Connect, r.Bind = &span{Min: t.Connect}, &span{Min: t.Bind}
	}
	r.Connect.add(t.Connect, r.Answered)
	r.Bind.add(t.Bind, r.Answered)
}

// add takes in the n-th value.
func (s *span) add(v float64, n int) {
	s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	s.Avg += (v - s.Avg) / float64(n)
}

func (s *span) text() string { return fmt.Sprintf("%.3f/%.3f/%.3f ms", s.Min, s.Avg, s.Max) }

func (t *try) text() string {
	if t.Error != "" {
		return fmt.Sprintf("%d: failed: %s", t.Number, t.Error)
	}
	return fmt.Sprintf("%d: group 0x%08x, worker %d, connect %.3f ms, bind %.3f ms", t.Number, t.Group, t.Worker, t.Connect, t.Bind)
}

func (e *env) pingText(r *pinged) {
	fmt.Fprintf(e.out, "%d tried, %d answered, %d failed\n", len(r.Tries), r.Answered, len(r.Tries)-r.Answered)
	if r.Auth != nil {
		fmt.Fprintf(e.out, "authenticated: %s\n", r.Auth.text())
	}
	if r.Answered > 0 {
		fmt.Fprintf(e.out, "min/avg/max connect %s, bind %s\n", r.Connect.text(), r.Bind.text())
	}
}
