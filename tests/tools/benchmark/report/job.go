// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
)

// This file owns how jobs are judged and told.

// warmJobs are those that are judged one by one, in the order of the table.
var warmJobs = []string{"shares", "server", "accounts", "registry", "printers", "print"}

func jobWall(j *Job) Relation { return j.Wall }
func jobCPU(j *Job) Relation  { return j.CPU }

// job has the ratios of jobs of these IDs, with one limit for all.
func (r *Result) job(name string, of func(*Job) Relation, limit float64, ids ...string) part {
	p := part{name: name, format: "%.2f"}
	for _, id := range ids {
		v := math.NaN()
		for i := range r.Jobs {
			if j := &r.Jobs[i]; j.ID == id && of(j).Ratio.Median > 0 {
				v = of(j).Ratio.Median
			}
		}
		p.values, p.limits = append(p.values, v), append(p.limits, limit)
	}
	return p
}

func (r *Result) jobs(w io.Writer) {
	if len(r.Jobs) > 0 {
		title(w, "Whole jobs: real clients, through smbd")
		table(w, "job", "msrpcd ms", "samba-dcerpcd ms", "ratio", "CPU ms of servers", "samba-dcerpcd", "ratio", "pairs")
		for _, j := range r.Jobs {
			line(w, j.What, fixed(1, j.Wall.OursMS), fixed(1, j.Wall.StockMS), j.Wall.Ratio.text(),
				fixed(1, j.CPU.OursMS), fixed(1, j.CPU.StockMS), j.CPU.Ratio.text(), fmt.Sprint(j.Pairs))
		}
	}
	if len(r.Serving) > 0 {
		title(w, "Memory after these jobs")
		table(w, "processes", "number", "private KiB", "PSS KiB")
		for _, p := range r.Serving {
			line(w, p.Name, fmt.Sprint(p.Processes), fixed(0, p.Private), fixed(0, p.PSS))
		}
	}
}
