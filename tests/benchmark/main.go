// SPDX-License-Identifier: Apache-2.0

// Command benchmark compares msrpcd with stock samba-dcerpcd and with the least
// that a broker can do, all in one run on one machine, each in a booted systemd
// of its own. tests/bench builds, stages and starts it. It prints Markdown;
// quote the ratios, the absolute numbers are the machine's.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"msrpcd/tests/sandbox"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each measurement is made; the median counts")
	seconds := flag.Float64("seconds", 2, "length of each measurement")
	tools := flag.String("tools", "", "directory with bindload and limit")
	npa := flag.String("npa", "", "directory with named pipe auth requests of real Samba")
	only := flag.String("only", "", "tables whose title has this text")
	flag.Parse()
	b := &bench{rounds: *rounds, length: time.Duration(*seconds * float64(time.Second)), only: *only}
	if err := b.boot(*tools, *npa); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
	defer b.close()
	b.rates()
	b.coldStart()
	b.memory()
	b.generator()
}

// bench has two boxes: one with msrpcd, one with samba-dcerpcd.
type bench struct {
	ours, stock *sandbox.Box
	rounds      int
	length      time.Duration
	only        string
	level       string // of named pipe auth
}

// contender is one side of a comparison.
type contender struct {
	name  string
	box   *sandbox.Box
	group string   // control group of its servers
	args  []string // of bindload
}

// sample is what bindload measured.
type sample struct {
	Conns, Failed int
	Rate          float64
	P50           int64 `json:"p50_us"`
	P99           int64 `json:"p99_us"`

	CPU    float64 `json:"-"` // of the servers, µs for each connection
	System float64 `json:"-"` // the part of it that is the kernel's
	Client float64 `json:"-"` // CPU of bindload, µs for each connection
}

// load runs bindload once. What can not be measured is a zero sample.
func (b *bench) load(c contender, clients int) (s sample) {
	args := append([]string{"bindload", "-n", "0", "-d", b.length.String(), "-c", fmt.Sprint(clients)}, c.args...)
	var out, stderr bytes.Buffer
	cmd := c.box.Command(context.Background(), args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	start, cpuErr := settledCPU(c.box, c.group)
	if err := cmd.Run(); err != nil || json.Unmarshal(out.Bytes(), &s) != nil || s.Conns == 0 {
		fmt.Fprintf(os.Stderr, "benchmark: %s: %v: %s%s\n", c.name, err, &out, &stderr)
		return sample{}
	}
	end, err := settledCPU(c.box, c.group)
	if err = cmp.Or(cpuErr, err); err != nil {
		fmt.Fprintf(os.Stderr, "benchmark: %s: %v\n", c.name, err)
		return s
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(s.Conns) }
	used := end.since(start)
	s.CPU, s.System = each(used.all()), each(used.system)
	s.Client = each(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	return s
}

// compare prints a table: the contenders in turn, round by round, the median of
// each figure, and its ratio to the first contender's.
func (b *bench) compare(title string, counts []int, cs ...contender) {
	if !strings.Contains(title, b.only) {
		return
	}
	fmt.Printf("\n### %s\n\n| clients | who | per second | p50 µs | p99 µs | failed | rate ratio | p50 ratio | CPU µs | of it kernel | client's CPU µs | CPU ratio |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n", title)
	for _, n := range counts {
		for _, c := range cs { // what starts now is not measured
			c.box.Run(context.Background(), append([]string{"bindload", "-n", "200", "-d", "100ms", "-c", fmt.Sprint(n)}, c.args...)...)
		}
		all := make([][]sample, len(cs))
		for range b.rounds {
			for i, c := range cs {
				all[i] = append(all[i], b.load(c, n))
			}
		}
		for i, c := range cs {
			m, base := medians(all[i]), medians(all[len(cs)-1])
			failed := 0
			for _, s := range all[i] {
				failed += s.Failed
			}
			fmt.Printf("| %d | %s | %.0f | %d | %d | %d | %.2f | %.2f | %.1f | %.1f | %.1f | %.2f |\n", n, c.name, m.Rate, m.P50, m.P99, failed,
				ratio(pairs(all[i], all[len(cs)-1], func(s sample) float64 { return s.Rate }), m.Rate/base.Rate),
				ratio(pairs(all[i], all[len(cs)-1], func(s sample) float64 { return float64(s.P50) }), float64(m.P50)/float64(base.P50)),
				m.CPU, m.System, m.Client,
				ratio(pairs(all[i], all[len(cs)-1], func(s sample) float64 { return s.CPU }), m.CPU/base.CPU))
		}
	}
}

// pairs are the ratios within each round, so that a machine whose speed drifts
// does not count.
func pairs(a, base []sample, f func(sample) float64) (r []float64) {
	for i := range a {
		if d := f(base[i]); d > 0 {
			r = append(r, f(a[i])/d)
		}
	}
	return r
}

func ratio(r []float64, otherwise float64) float64 {
	if len(r) == 0 {
		return otherwise
	}
	return median(r)
}

func medians(all []sample) (m sample) {
	pick := func(f func(sample) float64) float64 {
		var v []float64
		for _, s := range all {
			v = append(v, f(s))
		}
		return median(v)
	}
	m.Rate = pick(func(s sample) float64 { return s.Rate })
	m.P50 = int64(pick(func(s sample) float64 { return float64(s.P50) }))
	m.P99 = int64(pick(func(s sample) float64 { return float64(s.P99) }))
	m.CPU = pick(func(s sample) float64 { return s.CPU })
	m.System = pick(func(s sample) float64 { return s.System })
	m.Client = pick(func(s sample) float64 { return s.Client })
	return m
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
