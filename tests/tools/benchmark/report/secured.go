// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strings"
)

// This file owns the budget of protected calls.

// What a comparison of protected calls is of: its ID begins with it.
const (
	SecuredNull = "null calls, "
	SecuredList = "listings, "
	SecuredNone = "no authentication" // the rest of its ID
)

// leastSecured is what the rate has to be at least, to samba-dcerpcd's, and its
// inverse what the CPU time may be.
const leastSecured = 1.5

// secured judges protected calls. Of a null call the kernel has the larger part on
// both sides, and its clients take as much of the machine as its server: so of null
// calls the CPU time counts alone, and only of those that are protected.
func (r *Result) secured() Budget {
	rate := part{name: "rate of listings", limits: []float64{leastSecured}, values: []float64{math.NaN()}, atLeast: true, format: "%.2f"}
	cpu := part{name: "CPU time", limits: []float64{math.Round(100/leastSecured) / 100}, values: []float64{math.NaN()}, format: "%.2f"}
	for i := range r.Secured {
		id := r.Secured[i].ID
		for _, row := range r.Secured[i].Rows {
			if row.Stock == nil || row.Who == WhoStock || row.Stock.Rate.Median == 0 || id == SecuredNull+SecuredNone {
				continue
			}
			if v := row.Stock.CPU.Median; !(v <= cpu.values[0]) { // NaN too
				cpu.values[0] = v
			}
			if v := row.Stock.Rate.Median; strings.HasPrefix(id, SecuredList) && !(v >= rate.values[0]) {
				rate.values[0] = v
			}
		}
	}
	return judge("calls on the endpoint mapper, the worst of all mechanisms and levels, to samba-dcerpcd", rate, cpu)
}
