// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// This file owns the tables in Markdown.

// Summary writes the budgets alone, with the machine and the date. What was not
// measured has no line.
func (r *Result) Summary(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.heading())
	if !slices.ContainsFunc(r.Budgets, func(b Budget) bool { return b.Met != Unknown }) {
		return
	}
	fmt.Fprintln(w)
	table(w, "what", "measured", "budget", "met")
	for _, b := range r.Budgets {
		if b.Met == Unknown {
			continue
		}
		line(w, b.What, b.Measured, b.Budget, b.Met)
	}
}

func (r *Result) heading() string {
	rounds := fmt.Sprintf("median of %d rounds", r.Rounds)
	if r.Rounds == 1 {
		rounds = "one round"
	}
	return fmt.Sprintf("%s, %d × %s, %d MiB, Linux %s, %s, %s: %s of %g s.",
		r.Date, r.Machine.Cores, r.Machine.CPU, r.Machine.MemoryMiB, r.Machine.Kernel, r.Samba, r.Systemd, rounds, r.Seconds)
}

// Markdown writes all tables.
func (r *Result) Markdown(w io.Writer) {
	r.Summary(w)
	r.jobs(w)
	for i := range r.Binds {
		r.Binds[i].markdown(w)
	}
	if r.Calls != nil {
		r.Calls.markdown(w)
	}
	for i := range r.Secured {
		r.Secured[i].markdown(w)
	}
	if len(r.ColdStart) > 0 {
		title(w, "Cold start: first bind to its bind_ack")
		table(w, "what", "msrpcd ms", "samba-dcerpcd ms", "ratio")
		for _, c := range r.ColdStart {
			line(w, c.What, fixed(1, c.OursMS), fixed(1, c.StockMS), c.Relation.text())
		}
	}
	if len(r.Idle) > 0 {
		title(w, "Memory of idle processes, after some hundred connections")
		table(w, "process", "private KiB", "PSS KiB")
		for _, p := range r.Idle {
			line(w, p.Name, fixed(0, p.Private), fixed(0, p.PSS))
		}
	}
	for i := range r.Held {
		r.Held[i].markdown(w)
	}
	if len(r.Generator) > 0 {
		title(w, "Generator, process start included")
		table(w, "rpcds", "files", "median ms", "best ms")
		for _, g := range r.Generator {
			line(w, fmt.Sprint(g.Rpcds), fmt.Sprint(g.Files), fixed(1, g.MedianMS), fixed(1, g.BestMS))
		}
	}
	if len(r.Disturbed) > 0 {
		title(w, "Restarts and kills under load")
		table(w, "what", "times", "binds", "errors", "which")
		for _, d := range r.Disturbed {
			var which []string
			for _, e := range slices.Sorted(maps.Keys(d.Errors)) {
				which = append(which, fmt.Sprintf("%d × %s", d.Errors[e], e))
			}
			line(w, d.What, fmt.Sprint(d.Times), fmt.Sprint(d.Conns), fmt.Sprint(d.Failed), strings.Join(which, "; "))
		}
	}
	if len(r.Problems) > 0 {
		title(w, "Not measured")
		for _, p := range r.Problems {
			fmt.Fprintf(w, "- %s\n", strings.ReplaceAll(p, "\n", " "))
		}
	}
}

func (c *Comparison) markdown(w io.Writer) {
	title(w, c.Title)
	head := []string{"clients", "who", "per second", "p50 µs", "p99 µs", "failed", "CPU µs", "of it kernel", "client CPU µs"}
	stock := slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Stock != nil })
	limit := slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Limit != nil })
	if stock {
		head = append(head, "rate : samba-dcerpcd", "p50", "CPU")
	}
	if limit {
		head = append(head, "rate : limit", "p50", "CPU")
	}
	table(w, head...)
	for _, r := range c.Rows {
		cells := []string{fmt.Sprint(r.Clients), r.Who, fixed(0, r.Rate), fixed(0, r.P50), fixed(0, r.P99), fmt.Sprint(r.Failed),
			fixed(1, r.CPU), fixed(1, r.CPUKernel), fixed(1, r.ClientCPU)}
		if stock {
			cells = append(cells, r.Stock.cells()...)
		}
		if limit {
			cells = append(cells, r.Limit.cells()...)
		}
		line(w, cells...)
	}
}

func (r *Ratios) cells() []string {
	if r == nil {
		return []string{"-", "-", "-"}
	}
	return []string{r.Rate.text(), r.P50.text(), r.CPU.text()}
}

func (r Ratio) text() string {
	if r.Median == 0 {
		return "-"
	}
	return fixed(2, r.Median)
}

func (h *Held) markdown(w io.Writer) {
	title(w, h.Title)
	table(w, "held", "not held", "private KiB", "PSS KiB", "binds a second", "p50 µs", "p99 µs", "slowest µs", "unserved")
	for _, s := range h.Steps {
		line(w, fmt.Sprint(s.Held), fmt.Sprint(s.Failed), fixed(0, s.Memory.Private), fixed(0, s.Memory.PSS),
			fixed(0, s.Rate), fixed(0, s.P50), fixed(0, s.P99), fixed(0, s.Max), fmt.Sprint(s.Unserved))
	}
	fmt.Fprintf(w, "\nMemory of %s; binds by one client beside them.", h.Whose)
	if m, ok := h.PerConnection(); ok {
		fmt.Fprintf(w, " Each held connection: private %.2f KiB, PSS %.2f KiB.", m.Private, m.PSS)
	}
	if h.End != "" {
		fmt.Fprintf(w, " No further: %s.", strings.ReplaceAll(h.End, "\n", " "))
	}
	fmt.Fprintln(w)
}

func title(w io.Writer, text string) { fmt.Fprintf(w, "\n### %s\n\n", text) }

func table(w io.Writer, head ...string) {
	line(w, head...)
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(head)))
}

func line(w io.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.NewReplacer("|", `\|`, "\n", " ").Replace(c)
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}

func fixed(digits int, v float64) string { return fmt.Sprintf("%.*f", digits, v) }
