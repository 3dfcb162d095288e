// SPDX-License-Identifier: Apache-2.0

// Package report is what tests/bench found out and how it is told. It measures
// nothing and is pure:
//
//   - result.go: the data, as --json writes it.
//   - compare.go: samples of several rounds to one row, with ratios.
//   - budget.go: what is required, held against it.
//   - markdown.go, plot.go, svg.go: tables and the plot.
//
// Ratios are what counts: absolute numbers are the machine's.
package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// Result is one run.
type Result struct {
	Date      string       `json:"date"`
	Machine   Machine      `json:"machine"`
	Samba     string       `json:"samba"`
	Systemd   string       `json:"systemd"`
	Rounds    int          `json:"rounds"`  // of each measurement; the median counts
	Seconds   float64      `json:"seconds"` // of each round
	Jobs      []Job        `json:"jobs,omitempty"`
	Serving   []Serving    `json:"serving_memory,omitempty"`
	Binds     []Comparison `json:"binds,omitempty"`
	Calls     *Comparison  `json:"calls,omitempty"`
	Secured   []Comparison `json:"secured_calls,omitempty"`
	ColdStart []ColdStart  `json:"cold_start,omitempty"`
	Idle      []Process    `json:"idle_memory,omitempty"`
	Held      []Held       `json:"held,omitempty"`
	Generator []Generator  `json:"generator,omitempty"`
	Disturbed []Disturbed  `json:"disturbed,omitempty"`
	Budgets   []Budget     `json:"budgets,omitempty"`
	Problems  []string     `json:"problems,omitempty"` // what could not be measured
}

// Machine is what it ran on.
type Machine struct {
	CPU       string `json:"cpu"`
	Cores     int    `json:"cores"`
	MemoryMiB int    `json:"memory_mib"`
	Kernel    string `json:"kernel"` // major.minor
}

// Job is what a real client does through smbd, in pairs of msrpcd and stock.
type Job struct {
	ID    string   `json:"id"`
	What  string   `json:"what"`
	Pairs int      `json:"pairs"`
	Wall  Relation `json:"wall"`
	CPU   Relation `json:"cpu"` // of all processes of the host but the client
}

// IDs of jobs that are not warm and one by one.
const (
	JobMany = "many"
	JobCold = "cold"
)

// Relation has the medians of both sides and the ratio, which is taken in pairs.
type Relation struct {
	OursMS  float64 `json:"msrpcd_ms"`
	StockMS float64 `json:"samba_dcerpcd_ms"`
	Ratio   Ratio   `json:"ratio"`
}

// Contenders, as they are named in every table.
const (
	WhoSamba  = "msrpcd, rpcd of Samba"        // broker, adaptor, unmodified rpcd
	WhoNative = "msrpcd, native worker"        // broker, native rpcd
	WhoDirect = "msrpcd, native, no broker"    // native rpcd with its listeners
	WhoLimit  = "limit"                        // the least that a broker and a worker can do
	WhoStock  = "samba-dcerpcd, rpcd of Samba" // what msrpcd takes the place of
)

// IDs of comparisons.
const (
	IDTCP      = "ncacn_ip_tcp"
	IDNcalrpc  = "ncalrpc"
	IDNP       = "ncacn_np"
	IDEpmapper = "epmapper"
	IDCalls    = "calls"
)

// Comparison is contenders measured in turn.
type Comparison struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Rows  []Row  `json:"rows"`
}

// Row is one contender with one number of clients: medians of all rounds. A
// connection is a call where calls are compared.
type Row struct {
	Clients   int     `json:"clients"`
	Who       string  `json:"who"`
	Rate      float64 `json:"rate"` // connections a second
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Failed    int     `json:"failed"`        // of all rounds
	CPU       float64 `json:"cpu_us"`        // of the servers, for each connection
	CPUKernel float64 `json:"cpu_kernel_us"` // the part of it that is the kernel's
	ClientCPU float64 `json:"client_cpu_us"` // of the client, for each connection
	Stock     *Ratios `json:"to_samba_dcerpcd,omitempty"`
	Limit     *Ratios `json:"to_limit,omitempty"`
}

// Ratios are those to another contender.
type Ratios struct {
	Rate Ratio `json:"rate"`
	P50  Ratio `json:"p50"`
	CPU  Ratio `json:"cpu"`
}

// Ratio has the median of all rounds' ratios, and the extremes.
type Ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Row of a contender, nil when there is none.
func (c *Comparison) Row(who string, clients int) *Row {
	for i := range c.Rows {
		if c.Rows[i].Who == who && c.Rows[i].Clients == clients {
			return &c.Rows[i]
		}
	}
	return nil
}

// Bind is the comparison of binds with that ID, nil when there is none.
func (r *Result) Bind(id string) *Comparison {
	for i := range r.Binds {
		if r.Binds[i].ID == id {
			return &r.Binds[i]
		}
	}
	return nil
}

// ColdStart is the first bind while nothing of the rpcd runs, to its bind_ack.
type ColdStart struct {
	What     string  `json:"what"`
	ID       string  `json:"id"`
	OursMS   float64 `json:"msrpcd_ms"`
	StockMS  float64 `json:"samba_dcerpcd_ms"`
	Relation Ratio   `json:"ratio"`
}

// Names of processes whose memory has a budget.
const (
	ProcBroker  = "msrpc-broker"
	ProcAdaptor = "msrpc-samba-worker"
)

// Memory of one process or of several. File pages count in PSS alone: the
// stage lies on a tmpfs, where they look private.
type Memory struct {
	Private float64 `json:"anonymous_private_kib"`
	PSS     float64 `json:"pss_kib"`
}

// Process is an idle one.
type Process struct {
	Name string `json:"name"`
	Memory
}

// Serving is the memory of several processes together, while they serve the jobs.
type Serving struct {
	Name      string `json:"name"`
	Processes int    `json:"processes"`
	Memory
}

// What Serving tells of.
const (
	ProcOurs     = "brokers and adaptors"
	ProcStock    = "samba-dcerpcd"
	ProcAllOurs  = "all of msrpcd, rpcds included"
	ProcAllStock = "samba-dcerpcd, rpcds included"
)

// Held is one server with more and more connections that say nothing.
type Held struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Whose string `json:"memory_of"`
	Steps []Step `json:"steps"`
	End   string `json:"end,omitempty"` // why there are no more steps than these
}

// Series of held connections.
const (
	HeldBroker = "broker-silent"
	HeldNative = "native-bound"
)

// Step is Held at one number of connections, with one client binding meanwhile.
type Step struct {
	Held     int     `json:"held"`
	Failed   int     `json:"failed"` // could not be held
	Memory   Memory  `json:"memory"`
	Rate     float64 `json:"rate"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	Max      float64 `json:"max_us"`   // slowest bind of all rounds
	Unserved int     `json:"unserved"` // binds that failed, of all rounds
}

// PerConnection is what each held connection costs, from the first step to the
// last.
func (h *Held) PerConnection() (m Memory, ok bool) {
	if len(h.Steps) < 2 {
		return m, false
	}
	first, last := h.Steps[0], h.Steps[len(h.Steps)-1]
	n := float64(last.Held - first.Held)
	if n <= 0 {
		return m, false
	}
	return Memory{(last.Memory.Private - first.Memory.Private) / n, (last.Memory.PSS - first.Memory.PSS) / n}, true
}

// Generator is a run of msrpc-generator, process start included.
type Generator struct {
	Rpcds    int     `json:"rpcds"`
	Files    int     `json:"files"` // that it writes
	MedianMS float64 `json:"median_ms"`
	BestMS   float64 `json:"best_ms"`
}

// Disturbed is a load during restarts or kills of what serves it.
type Disturbed struct {
	What   string         `json:"what"`
	Kill   bool           `json:"kill"` // SIGKILL instead of a restart
	Times  int            `json:"times"`
	Conns  int            `json:"connections"`
	Failed int            `json:"failed"`
	Errors map[string]int `json:"errors,omitempty"`
}

// WriteJSON writes all of it.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(r io.Reader) (*Result, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	res := &Result{}
	if err := d.Decode(res); err != nil {
		return nil, fmt.Errorf("not a result of tests/bench: %w", err)
	}
	return res, nil
}
