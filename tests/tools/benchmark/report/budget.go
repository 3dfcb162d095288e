// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// This file owns the budgets: what is required of msrpcd, as ratios within a run.

// Budget is one requirement held against a result.
type Budget struct {
	What     string `json:"what"`
	Budget   string `json:"budget"`
	Measured string `json:"measured"`
	Met      string `json:"met"` // Yes, No or Unknown
}

// Values of Budget.Met.
const (
	Yes     = "yes"
	No      = "no"
	Unknown = "not measured"
)

// Clients are the numbers of clients that binds are measured with.
var Clients = []int{1, 8, 64}

// part is one of the figures of a budget; there is a limit for each value.
type part struct {
	name    string
	values  []float64 // NaN: not measured
	limits  []float64
	atLeast bool
	format  string // of a value
}

// figure picks a ratio out of a row; NaN without.
type figure func(*Row) float64

func toStock(f func(*Ratios) Ratio) figure { return pick(func(r *Row) *Ratios { return r.Stock }, f) }
func toLimit(f func(*Ratios) Ratio) figure { return pick(func(r *Row) *Ratios { return r.Limit }, f) }

func pick(base func(*Row) *Ratios, f func(*Ratios) Ratio) figure {
	return func(r *Row) float64 {
		if r == nil || base(r) == nil || f(base(r)).Median == 0 {
			return math.NaN()
		}
		return f(base(r)).Median
	}
}

func rateOf(r *Ratios) Ratio { return r.Rate }
func p50Of(r *Ratios) Ratio  { return r.P50 }

// bind is a figure of binds with these numbers of clients.
func (r *Result) bind(name, id, who string, f figure, clients []int, atLeast bool, limits ...float64) part {
	p := part{name: name, atLeast: atLeast, format: "%.2f", limits: limits}
	c := r.Bind(id)
	for _, n := range clients {
		v := math.NaN()
		if c != nil {
			v = f(c.Row(who, n))
		}
		p.values = append(p.values, v)
	}
	return p
}

// Judge holds the result against all budgets.
func (r *Result) Judge() []Budget {
	all := []Budget{
		judge("first share listing, nothing runs, to samba-dcerpcd", r.job("ratio", jobWall, 1.2, JobCold)),
		judge("warm jobs, to samba-dcerpcd (shares / server / accounts / registry / printers / print)", r.job("", jobWall, 1, warmJobs...)),
		judge("32 clients at once, to samba-dcerpcd", r.job("ratio", jobWall, 0.95, JobMany)),
		judge("CPU time of servers, the same jobs, then 32 at once and the first listing", r.job("", jobCPU, 1, slices.Concat(warmJobs, []string{JobMany, JobCold})...)),
		judge("native worker behind the broker, to limit (1 / 8 / 64 clients)",
			r.bind("p50", IDTCP, WhoNative, toLimit(p50Of), Clients, false, 1, 1.3, 1.2),
			r.bind("rate at 64", IDTCP, WhoNative, toLimit(rateOf), []int{64}, true, 0.7)),
		judge("endpoint mapper: p50 to limit, rate to samba-dcerpcd",
			r.bind("p50", IDEpmapper, WhoDirect, toLimit(p50Of), Clients, false, 1, 1, 1),
			r.bind("rate", IDEpmapper, WhoDirect, toStock(rateOf), Clients, true, 2, 2, 2)),
	}
	for _, t := range []struct {
		id        string
		p50, rate []float64
	}{
		{IDTCP, []float64{0.95, 0.65, 0.43}, []float64{1.05, 1.15, 1.3}},
		{IDNcalrpc, []float64{1, 0.75, 0.75}, []float64{1.1, 1.25, 1.5}},
		{IDNP, []float64{1, 0.75, 0.75}, []float64{1.1, 1.15, 1.25}},
	} {
		all = append(all, judge("unmodified rpcd over "+t.id+", to samba-dcerpcd",
			r.bind("p50", t.id, WhoSamba, toStock(p50Of), Clients, false, t.p50...),
			r.bind("rate", t.id, WhoSamba, toStock(rateOf), Clients, true, t.rate...)))
	}
	return append(all,
		r.secured(),
		judge("cold start of an unmodified rpcd, to samba-dcerpcd", r.coldStart()),
		judge("private memory of the broker, idle and for each of 10,000 unbound connections",
			r.idle("MiB", ProcBroker, 1.5), r.perConnection()),
		judge("private memory of the adaptor, idle", r.idle("MiB", ProcAdaptor, 1.5)),
		judge("generator with 20 rpcds", r.generator()),
		judge("slowest bind beside 10,000 silent clients", r.slowest()),
		r.disturbed("restarts under 1,000 connections a second", false, 0, "no client sees an error"),
		r.disturbed("SIGKILL of the broker under load", true, 1e-5, "fewer than 1 error in 100,000 binds"))
}

func (r *Result) coldStart() part {
	p := part{name: "ratio", limits: []float64{2.2}, values: []float64{math.NaN()}, format: "%.2f"}
	for _, c := range r.ColdStart {
		if c.ID == "winreg" && c.Relation.Median > 0 {
			p.values[0] = c.Relation.Median
		}
	}
	return p
}

func (r *Result) idle(unit, name string, limit float64) part {
	p := part{name: unit, limits: []float64{limit}, values: []float64{math.NaN()}, format: "%.2f"}
	for _, i := range r.Idle {
		if i.Name == name && i.Private > 0 {
			p.values[0] = i.Private / 1024
		}
	}
	return p
}

// silent is the broker with silent clients, nil where it had less than 10,000
// of them but for a few.
func (r *Result) silent() *Held {
	for i := range r.Held {
		h := &r.Held[i]
		if n := len(h.Steps); h.ID == HeldBroker && n > 0 && h.Steps[n-1].Held >= 9900 {
			return h
		}
	}
	return nil
}

func (r *Result) perConnection() part {
	p := part{name: "KiB each", limits: []float64{1}, values: []float64{math.NaN()}, format: "%.2f"}
	if h := r.silent(); h != nil {
		if m, ok := h.PerConnection(); ok {
			p.values[0] = m.Private
		}
	}
	return p
}

func (r *Result) slowest() part {
	p := part{name: "ms", limits: []float64{100}, values: []float64{math.NaN()}, format: "%.1f"}
	if h := r.silent(); h != nil {
		last := h.Steps[len(h.Steps)-1]
		p.values[0] = last.Max / 1000
		if last.Unserved > 0 {
			p.values[0] = math.Inf(1)
		}
	}
	return p
}

func (r *Result) generator() part {
	p := part{name: "ms", limits: []float64{20}, values: []float64{math.NaN()}, format: "%.1f"}
	for _, g := range r.Generator {
		if g.Rpcds == 20 {
			p.values[0] = g.MedianMS
		}
	}
	return p
}

// disturbed judges the errors of all loads that were disturbed in one way.
func (r *Result) disturbed(what string, kill bool, share float64, text string) Budget {
	b := Budget{What: what, Budget: text, Measured: "-", Met: Unknown}
	var times, conns, failed int
	for _, d := range r.Disturbed {
		if d.Kill == kill {
			times, conns, failed = times+d.Times, conns+d.Conns, failed+d.Failed
		}
	}
	if conns+failed == 0 || times == 0 {
		return b
	}
	b.Measured = fmt.Sprintf("%d errors in %d binds, %d times", failed, conns+failed, times)
	b.Met = No
	if failed == 0 || float64(failed) < share*float64(conns+failed) {
		b.Met = Yes
	}
	return b
}

// judge writes a budget of several parts down; all have to be met.
func judge(what string, parts ...part) Budget {
	b := Budget{What: what, Met: Yes}
	var budgets, measured []string
	for _, p := range parts {
		sign := "≤"
		if p.atLeast {
			sign = "≥"
		}
		limits := p.limits
		if slices.Min(limits) == slices.Max(limits) {
			limits = limits[:1]
		}
		var texts []string
		for _, l := range limits {
			texts = append(texts, fmt.Sprint(l))
		}
		budgets = append(budgets, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.name, sign, strings.Join(texts, " / "))))
		texts = nil
		for i, v := range p.values {
			if math.IsNaN(v) {
				texts = append(texts, "-")
				if b.Met == Yes {
					b.Met = Unknown
				}
				continue
			}
			texts = append(texts, fmt.Sprintf(p.format, v))
			if p.atLeast && v < p.limits[i] || !p.atLeast && v > p.limits[i] {
				b.Met = No
			}
		}
		measured = append(measured, strings.TrimSpace(p.name+" "+strings.Join(texts, " / ")))
	}
	b.Budget, b.Measured = strings.Join(budgets, ", "), strings.Join(measured, ", ")
	return b
}
