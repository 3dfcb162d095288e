// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
)

// This file owns the drawing: geometry and SVG. Colours are in one style sheet,
// which follows the reader's light or dark scheme.

const (
	plotWidth   = 1000.0
	plotLeft    = 64.0
	plotRight   = plotWidth - 16
	panelHeight = 190.0
	panelGap    = 84.0 // title above, two lines of labels below
	sectionGap  = 2.0  // in widths of a bar, as clusterGap
	clusterGap  = 1.0
	maxBar      = 28.0
)

const styleSheet = `
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 12px; fill: #1f2328; }
  .ground { fill: #ffffff; }
  .head { font-size: 17px; font-weight: 600; }
  .title { font-size: 14px; font-weight: 600; }
  .quiet { fill: #59636e; }
  .value { font-size: 9.5px; text-anchor: middle; stroke: #ffffff; stroke-width: 2.5px; stroke-linejoin: round; paint-order: stroke; }
  .mid { text-anchor: middle; }
  .end { text-anchor: end; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .one { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 5 3; }
  .spread { stroke: #1f2328; stroke-width: 1; opacity: 0.55; }
  .samba { fill: #3b78c4; }
  .native { fill: #2b9a74; }
  .limit { fill: #b8bfc8; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .ground { fill: #0d1117; }
    .value { stroke: #0d1117; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #2f363e; }
    .one, .spread { stroke: #e6edf3; }
    .samba { fill: #6aa5ee; }
    .native { fill: #4cc29a; }
    .limit { fill: #59616b; }
  }
`

// drawing grows downwards.
type drawing struct {
	body bytes.Buffer
	y    float64
	desc string
}

func newDrawing() *drawing { return &drawing{y: 16} }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.body, format+"\n", args...) }

func (d *drawing) text(x, y float64, class, s string) {
	d.add(`<text x="%.1f" y="%.1f" class="%s">%s</text>`, x, y, class, html.EscapeString(s))
}

func (d *drawing) rule(x1, y1, x2, y2 float64, class string) {
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

func (d *drawing) heading(title, machine string) {
	d.desc = title
	d.y += 14
	d.text(plotLeft-48, d.y, "head", title)
	d.y += 20
	d.text(plotLeft-48, d.y, "quiet", machine)
	d.y += 12
}

func (d *drawing) note(s string) {
	d.y += 24
	d.text(plotLeft-48, d.y, "", s)
	d.y += 16
}

func (d *drawing) legend() {
	d.y += 18
	x := plotLeft - 48
	for _, s := range series {
		d.add(`<rect x="%.1f" y="%.1f" width="14" height="12" rx="2" class="%s"/>`, x, d.y-10, s.class)
		d.text(x+20, d.y, "", s.label)
		x += 20 + 7*float64(len(s.label)) + 20
	}
	d.rule(x, d.y-4, x+24, d.y-4, "one")
	d.text(x+30, d.y, "", "samba-dcerpcd = 1")
}

// panel draws one figure of all sections.
func (d *drawing) panel(p panel, all []section) {
	d.y += 46
	d.text(plotLeft-48, d.y, "title", p.title)
	d.text(plotLeft-48+9*float64(len(p.title)), d.y, "quiet", "ratio to samba-dcerpcd, "+p.better+"; thin lines from the lowest to the highest round")
	end, step := top(highest(all) * 1.1) // room for the label of the highest
	base := d.y + 18 + panelHeight
	at := func(v float64) float64 { return base - math.Min(v, end)/end*panelHeight }
	for v := 0.0; v <= end+step/2; v += step {
		d.rule(plotLeft, at(v), plotRight, at(v), "grid")
		d.text(plotLeft-8, at(v)+4, "quiet end", fmt.Sprintf("%g", v))
	}
	w := barWidth(all)
	x := plotLeft + w*sectionGap/2
	var labels []func()
	for _, s := range all {
		start := x
		for i, c := range s.clusters {
			if i > 0 {
				x += w * clusterGap
			}
			d.text(x+w*float64(len(c.bars))/2, base+16, "mid", fmt.Sprint(c.clients))
			for _, b := range c.bars {
				d.bar(b, x, w, at)
				left := x
				labels = append(labels, func() { d.value(b, left, w, at) })
				x += w
			}
		}
		d.text((start+x)/2, base+34, "mid quiet", s.name+", clients")
		x += w * sectionGap
	}
	d.rule(plotLeft, at(1), plotRight, at(1), "one")
	for _, label := range labels {
		label()
	}
	d.y = base + panelGap - 46
}

// bar draws a value with the spread of its rounds.
func (d *drawing) bar(b bar, x, w float64, at func(float64) float64) {
	y := at(b.Median)
	d.add(`<g><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5" class="%s"/>`,
		html.EscapeString(b.label), x+1, y, w-2, at(0)-y, b.class)
	if b.High > b.Low {
		d.rule(x+w/2, at(b.Low), x+w/2, at(b.High), "spread")
	}
	d.add("</g>")
}

// value labels a bar; all labels of a panel come after its bars, since those
// beside a label may be higher.
func (d *drawing) value(b bar, x, w float64, at func(float64) float64) {
	d.text(x+w/2, at(math.Max(b.Median, b.High))-4, "value", fmt.Sprintf("%.2f", b.Median))
}

// barWidth fills the width.
func barWidth(all []section) float64 {
	n := 0.0
	for _, s := range all {
		n += sectionGap + clusterGap*float64(len(s.clusters)-1)
		for _, c := range s.clusters {
			n += float64(len(c.bars))
		}
	}
	if n == 0 {
		return maxBar
	}
	return math.Min(maxBar, (plotRight-plotLeft)/n)
}

func (d *drawing) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: Apache-2.0 -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="%s">
<style>%s</style>
<rect class="ground" width="100%%" height="100%%"/>
%s</svg>
`, plotWidth, d.y+8, plotWidth, d.y+8, html.EscapeString(d.desc), styleSheet, d.body.Bytes())
	return err
}
