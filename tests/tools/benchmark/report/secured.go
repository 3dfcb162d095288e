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

// leastSecured is what rates have to be at least, to samba-dcerpcd's.
const leastSecured = 1.5

// secured judges protected calls by the worst of them.
func (r *Result) secured() Budget {
	least := func(prefix, name string) part {
		p := part{name: name, limits: []float64{leastSecured}, values: []float64{math.NaN()}, atLeast: true, format: "%.2f"}
		for i := range r.Secured {
			c := &r.Secured[i]
			for _, row := range c.Rows {
				stock := c.Row(WhoStock, row.Clients)
				if !strings.HasPrefix(c.ID, prefix) || row.Who == WhoStock || stock == nil || row.Rate == 0 || stock.Rate == 0 {
					continue
				}
				if v := row.Rate / stock.Rate; !(v >= p.values[0]) { // NaN too
					p.values[0] = v
				}
			}
		}
		return p
	}
	return judge("calls on the endpoint mapper with each mechanism and level, to samba-dcerpcd",
		least(SecuredNull, "rate of null calls"), least(SecuredList, "of listings"))
}
