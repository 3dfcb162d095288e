// SPDX-License-Identifier: Apache-2.0

package report

import "slices"

// Sample is one contender in one round.
type Sample struct {
	Conns, Failed             int
	Rate, P50, P99            float64
	CPU, CPUKernel, ClientCPU float64 // µs for each connection
}

// Rounds are the samples of one contender with one number of clients, in order.
type Rounds struct {
	Who     string
	Samples []Sample
}

// Rows makes a row of each contender, with ratios to WhoStock and WhoLimit where
// these are among them.
func Rows(clients int, all []Rounds) []Row {
	of := func(who string) []Sample {
		for _, r := range all {
			if r.Who == who {
				return r.Samples
			}
		}
		return nil
	}
	var rows []Row
	for _, r := range all {
		row := Row{Clients: clients, Who: r.Who}
		for _, f := range []struct {
			to  *float64
			get func(Sample) float64
		}{
			{&row.Rate, rate}, {&row.P50, p50}, {&row.P99, func(s Sample) float64 { return s.P99 }}, {&row.CPU, cpu},
			{&row.CPUKernel, func(s Sample) float64 { return s.CPUKernel }}, {&row.ClientCPU, func(s Sample) float64 { return s.ClientCPU }},
		} {
			var v []float64
			for _, s := range r.Samples {
				v = append(v, f.get(s))
			}
			*f.to = Median(v)
		}
		for _, s := range r.Samples {
			row.Failed += s.Failed
		}
		row.Stock, row.Limit = ratios(r.Samples, of(WhoStock)), ratios(r.Samples, of(WhoLimit))
		rows = append(rows, row)
	}
	return rows
}

func rate(s Sample) float64 { return s.Rate }
func p50(s Sample) float64  { return s.P50 }
func cpu(s Sample) float64  { return s.CPU }

// ratios are nil without a base.
func ratios(a, base []Sample) *Ratios {
	if len(base) == 0 {
		return nil
	}
	return &Ratios{within(a, base, rate), within(a, base, p50), within(a, base, cpu)}
}

// within takes ratios within each round, so that a machine whose speed drifts
// does not count. A round without a measured value has none.
func within(a, base []Sample, f func(Sample) float64) Ratio {
	var r []float64
	for i := range min(len(a), len(base)) {
		if v, b := f(a[i]), f(base[i]); v > 0 && b > 0 {
			r = append(r, v/b)
		}
	}
	return Spread(r)
}

// Spread is the median and the extremes, all 0 of nothing.
func Spread(v []float64) Ratio {
	if len(v) == 0 {
		return Ratio{}
	}
	return Ratio{Median(v), slices.Min(v), slices.Max(v)}
}

// Median of an even number of values is the mean of the two in the middle, of
// none 0.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
