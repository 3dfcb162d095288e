// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
)

// This file owns what the plot shows: for each transport and number of clients
// a group of bars, msrpcd's ratio to samba-dcerpcd, in a panel for each figure.
// svg.go draws.

// series are the kinds of bars, in the order of the legend.
var series = []struct {
	class, label string
	who          []string
}{
	{"samba", "msrpcd, unmodified rpcd of Samba", []string{WhoSamba}},
	{"native", "msrpcd, native rpcd", []string{WhoNative, WhoDirect}},
	{"limit", "limit: accept, peek, pass, nothing else", []string{WhoLimit}},
}

// panel is one figure.
type panel struct {
	title, better string
	get           func(*Ratios) Ratio
}

var panels = []panel{
	{"Binds a second", "more is better", rateOf},
	{"Latency of a bind, p50", "less is better", p50Of},
	{"CPU time of a bind", "less is better", func(r *Ratios) Ratio { return r.CPU }},
}

// bar is one value; x positions follow from the order.
type bar struct {
	class, label string // label is the tooltip
	Ratio
}

// cluster is the bars of one number of clients.
type cluster struct {
	clients int
	bars    []bar
}

// section is one transport.
type section struct {
	name     string
	clusters []cluster
}

// sections are all that have a ratio to samba-dcerpcd.
func (r *Result) sections(get func(*Ratios) Ratio) (all []section) {
	for i := range r.Binds {
		c := &r.Binds[i]
		s := section{name: sectionName(c.ID)}
		for _, n := range Clients {
			k := cluster{clients: n}
			for _, ser := range series {
				for _, who := range ser.who {
					row := c.Row(who, n)
					if row == nil || row.Stock == nil || get(row.Stock).Median == 0 {
						continue
					}
					v := get(row.Stock)
					k.bars = append(k.bars, bar{ser.class, fmt.Sprintf("%s, %s, %s: %.2f (%.2f to %.2f)", s.name, plural(n), who, v.Median, v.Low, v.High), v})
				}
			}
			if len(k.bars) > 0 {
				s.clusters = append(s.clusters, k)
			}
		}
		if len(s.clusters) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func sectionName(id string) string {
	if id == IDEpmapper {
		return "endpoint mapper, TCP"
	}
	return id
}

func plural(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}

// top is the end of an axis that has room for v, and the step of its ticks.
func top(v float64) (end, step float64) {
	for _, step = range []float64{0.25, 0.5, 1, 2, 5, 10, 20, 50, 100} {
		if v <= 6*step {
			break
		}
	}
	return math.Max(1, math.Ceil(v/step)) * step, step
}

// highest is the largest value of a panel, at least 1, which is drawn always. An
// extreme of one round may be cut off.
func highest(all []section) float64 {
	h := 1.0
	for _, s := range all {
		for _, c := range s.clusters {
			for _, b := range c.bars {
				h = math.Max(h, b.Median)
			}
		}
	}
	return h
}

// SVG writes the plot, a document of its own. It says so where nothing was
// measured that it could show.
func (r *Result) SVG(w io.Writer) error {
	d := newDrawing()
	d.heading("msrpcd compared with samba-dcerpcd: binds, a connection each", r.heading())
	all := r.sections(rateOf)
	if len(all) == 0 {
		d.note("no bind was measured against samba-dcerpcd")
		return d.write(w)
	}
	d.legend()
	for _, p := range panels {
		d.panel(p, r.sections(p.get))
	}
	return d.write(w)
}
