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
)

// leastSecured is what the rate has to be at least, to samba-dcerpcd's, and its
// inverse what the CPU time may be.
const leastSecured = 1.5

// secured judges protected calls by the worst of them. Of a null call the kernel has
// some 10 of 12 microseconds, as much on either side, and clients take as much of the
// machine as servers: so rates are those of listings, and CPU time is without the
// kernel's.
func (r *Result) secured() Budget {
	rate := part{name: "rate of listings", limits: []float64{leastSecured}, values: []float64{math.NaN()}, atLeast: true, format: "%.2f"}
	cpu := part{name: "CPU time without the kernel's", limits: []float64{math.Round(100/leastSecured) / 100}, values: []float64{math.NaN()}, format: "%.2f"}
	for i := range r.Secured {
		c := &r.Secured[i]
		for _, row := range c.Rows {
			stock := c.Row(WhoStock, row.Clients)
			if row.Who == WhoStock || stock == nil || row.Rate == 0 || stock.Rate == 0 {
				continue
			}
			if v := (row.CPU - row.CPUKernel) / (stock.CPU - stock.CPUKernel); !(v <= cpu.values[0]) { // NaN too
				cpu.values[0] = v
			}
			if v := row.Rate / stock.Rate; strings.HasPrefix(c.ID, SecuredList) && !(v >= rate.values[0]) {
				rate.values[0] = v
			}
		}
	}
	return judge("calls on the endpoint mapper with each mechanism and level, to samba-dcerpcd", rate, cpu)
}
