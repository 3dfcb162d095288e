// SPDX-License-Identifier: Apache-2.0

// Command benchmark compares msrpcd with stock samba-dcerpcd and with the least
// that a broker can do, all in one run on one machine, each in a booted systemd
// of its own. tests/bench builds, stages and starts it. It prints Markdown;
// package report has what is found and how it is told.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"msrpcd/tests/tools/benchmark/report"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run() error {
	rounds := flag.Int("rounds", 3, "how often each measurement is made")
	seconds := flag.Float64("seconds", 0.7, "length of each measurement")
	only := flag.String("only", "", "parts whose title has this text")
	held := flag.Int("held", 10000, "most connections held at once")
	tools := flag.String("tools", "", "directory with bindload and limit")
	npa := flag.String("npa", "", "directory with named pipe auth requests of real Samba")
	from := flag.String("render", "", "JSON of an earlier run, instead of measuring")
	var out output
	flag.StringVar(&out.json, "json", "", "file for all results as JSON")
	flag.StringVar(&out.svg, "svg", "", "file for the plot")
	flag.BoolVar(&out.summary, "summary", false, "print the budgets alone")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 || *seconds <= 0 || *held < 1 {
		return fmt.Errorf("wrong arguments, see tests/bench --help")
	}
	if *from != "" {
		f, err := os.Open(*from)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := report.ReadJSON(f)
		if err != nil {
			return fmt.Errorf("%s: %w", *from, err)
		}
		r.Budgets = r.Judge()
		return out.write(r)
	}
	if err := out.check(); err != nil {
		return err
	}
	b := &bench{rounds: *rounds, length: time.Duration(*seconds * float64(time.Second)), only: *only, most: *held}
	b.res.Rounds, b.res.Seconds = *rounds, *seconds
	if err := b.boot(*tools, *npa); err != nil {
		return err
	}
	defer b.close()
	for _, p := range b.parts() {
		if !strings.Contains(p.title, b.only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "benchmark: %s\n", p.title)
		if err := p.measure(); err != nil {
			b.problem("%s: %v", p.title, err)
		}
	}
	b.res.Budgets = b.res.Judge()
	return out.write(&b.res)
}

// part is something that is measured; one that fails leaves the others.
type part struct {
	title   string
	measure func() error
}

// parts are all, in order: those that change settings come last.
func (b *bench) parts() []part {
	return slices.Concat([]part{
		{titleJobs, b.warmJobs},
		{titleManyJobs, b.manyJobs},
		{titleColdJobs, b.coldJobs},
		{titleTCP, b.bindTCP},
		{titleNcalrpc, b.bindNcalrpc},
		{titleNP, b.bindNP},
		{titleEpmapper, b.bindEpmapper},
		{titleCalls, b.calls},
		{titleSecured, b.securedCalls},
		{titleCold, b.coldStart},
		{titleIdle, b.idleMemory},
		{titleDisturbed, b.disturb},
	}, b.held(), []part{{titleGenerator, b.generator}})
}

// output is where results go.
type output struct {
	json, svg string
	summary   bool
}

// check finds out before a long run whether files can be written.
func (o output) check() error {
	for _, path := range []string{o.json, o.svg} {
		if path == "" {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

func (o output) write(r *report.Result) error {
	if o.summary {
		r.Summary(os.Stdout)
	} else {
		r.Markdown(os.Stdout)
	}
	if o.json != "" {
		if err := create(o.json, func(f *os.File) error { return r.WriteJSON(f) }); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return create(o.svg, func(f *os.File) error { return r.SVG(f) })
	}
	return nil
}

func create(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
