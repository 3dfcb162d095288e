// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns single measurements: one contender under load for a while.

// contender is one side of a comparison.
type contender struct {
	who   string // of package report
	box   *sandbox.Box
	group string   // control group of its servers
	args  []string // of bindload: where to connect, what to bind to; or a program of its kind, and its arguments
}

// loadResult is what bindload prints.
type loadResult struct {
	Conns, Failed int
	Errors        map[string]int
	Rate          float64
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	Max           float64 `json:"max_us"`
}

func (c contender) bindload(args ...string) []string {
	if c.args[0][0] != '-' {
		return slices.Concat(c.args[:1], args, c.args[1:])
	}
	return slices.Concat([]string{"bindload"}, args, c.args)
}

// load runs bindload to its end. It fails when nothing was served.
func (c contender) load(args ...string) (r loadResult, cpu time.Duration, err error) {
	var out, stderr bytes.Buffer
	cmd := c.box.Command(context.Background(), c.bindload(args...)...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err = cmd.Run(); err == nil {
		err = json.Unmarshal(out.Bytes(), &r)
	}
	if err != nil {
		return r, 0, fmt.Errorf("%s: %w: %s%s", c.who, err, &out, &stderr)
	}
	if r.Conns == 0 {
		return r, 0, fmt.Errorf("%s: nobody was served: %s", c.who, strings.Join(slices.Sorted(maps.Keys(r.Errors)), "; "))
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// warm lets start what serves; that is not measured. Many clients at once
// start all workers of an rpcd.
func (c contender) warm(clients int) error {
	_, _, err := c.load("-n", "200", "-d", "300ms", "-c", fmt.Sprint(clients))
	return err
}

// measure is a load of one length, with the CPU time that it takes.
func (c contender) measure(length time.Duration, clients int) (s report.Sample, err error) {
	start, cpuErr := settledCPU(c.box, c.group)
	r, client, err := c.load("-n", "0", "-d", length.String(), "-c", fmt.Sprint(clients))
	if err != nil {
		return s, err
	}
	s = report.Sample{Conns: r.Conns, Failed: r.Failed, Rate: r.Rate, P50: r.P50, P99: r.P99}
	end, err := settledCPU(c.box, c.group)
	if err = cmp.Or(cpuErr, err); err != nil {
		return s, err
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(r.Conns) }
	used := end.since(start)
	s.CPU, s.CPUKernel, s.ClientCPU = each(used.all()), each(used.system), each(client)
	return s, nil
}

// compare measures the contenders in turn, round by round, so that all of them
// see the same machine. Whoever fails in a round has no sample in it.
func (b *bench) compare(id, title string, counts []int, cs ...contender) report.Comparison {
	all := report.Comparison{ID: id, Title: title}
	for _, n := range counts {
		samples := make([]report.Rounds, len(cs))
		for i, c := range cs {
			samples[i].Who = c.who
			if err := c.warm(max(n, 32)); err != nil { // all workers
				b.problem("%s: %v", title, err)
			}
		}
		for range b.rounds {
			for i, c := range cs {
				s, err := c.measure(b.length, n)
				if err != nil {
					b.problem("%s: %v", title, err)
				}
				samples[i].Samples = append(samples[i].Samples, s)
			}
		}
		all.Rows = append(all.Rows, report.Rows(n, samples)...)
	}
	return all
}
