// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// Config is what a broker is told by its unit. The generator writes it as
// Environment= from rpcd.d and msrpcd.conf, see msrpcd-rpcd.d(5).
type Config struct {
	Name                string        // of the rpcd
	Workers             int           // MSRPC_WORKERS, at least 1
	Spares              int           // MSRPC_SPARES, indices that follow the workers'
	IndexBits           int           // MSRPC_INDEX_BITS, high bits of a group id that hold the index
	Idle                time.Duration // MSRPC_IDLE_SEC, 0: never exit
	FillFirst           int           // MSRPC_FILL_FIRST, connections put into a worker before the next
	MaxUnbound          int           // MSRPC_MAX_UNBOUND, connections without a complete bind
	MaxUnboundPerSource int           // MSRPC_MAX_UNBOUND_SOURCE, of one address (TCP, np)
	MaxUnboundPerUser   int           // MSRPC_MAX_UNBOUND_USER, of one user (ncalrpc)
	MaxParked           int           // MSRPC_MAX_PARKED, waiting connections that outlive a crash, 0: as many as fit
	BindTimeout         time.Duration // MSRPC_BIND_TIMEOUT_SEC, time to complete a bind
	MaxNPA              int           // MSRPC_MAX_NPA, bytes of a named pipe auth request
	Pipes               map[string]Pipe
}

// Pipe is a named pipe without DCE/RPC (npsd_*): what its clients are told in
// the named pipe auth reply. MSRPC_PIPES is "name:type:state:allocation ...".
type Pipe struct {
	FileType, DeviceState uint16
	Allocation            uint64
}

// ConfigFromEnv reads the configuration of the broker of rpcd name.
func ConfigFromEnv(name string, getenv func(string) string) (Config, error) {
	c := Config{Name: name}
	if !layout.ValidName(name) {
		return c, fmt.Errorf("%q is no name of an rpcd; start msrpc-broker@NAME.service", name)
	}
	var bad error
	num := func(key string, low, high int) int {
		v, err := strconv.Atoi(getenv(key))
		if (err != nil || v < low || v > high) && bad == nil {
			bad = fmt.Errorf("%s=%q is not a number from %d to %d; run msrpcctl refresh, it writes this variable",
				key, getenv(key), low, high)
		}
		return v
	}
	c.Workers = num("MSRPC_WORKERS", 1, status.MaxWorkers)
	c.Spares = num("MSRPC_SPARES", 0, status.MaxWorkers)
	c.IndexBits = num("MSRPC_INDEX_BITS", 8, 16)
	c.Idle = time.Duration(num("MSRPC_IDLE_SEC", 0, 1<<30)) * time.Second
	c.FillFirst = num("MSRPC_FILL_FIRST", 0, 1<<20)
	c.MaxUnbound = num("MSRPC_MAX_UNBOUND", 1, 1<<20)
	// A drop-in that an older generator wrote does not have these: a broker that
	// is upgraded serves on before daemon-reload, too.
	c.MaxUnboundPerSource, c.MaxUnboundPerUser = c.MaxUnbound, c.MaxUnbound
	if getenv("MSRPC_MAX_UNBOUND_SOURCE") != "" {
		c.MaxUnboundPerSource = num("MSRPC_MAX_UNBOUND_SOURCE", 1, 1<<20)
	}
	if getenv("MSRPC_MAX_UNBOUND_USER") != "" {
		c.MaxUnboundPerUser = num("MSRPC_MAX_UNBOUND_USER", 1, 1<<20)
	}
	if getenv("MSRPC_MAX_PARKED") != "" {
		c.MaxParked = num("MSRPC_MAX_PARKED", 1, 1<<20)
	}
	c.BindTimeout = time.Duration(num("MSRPC_BIND_TIMEOUT_SEC", 1, 3600)) * time.Second
	c.MaxNPA = num("MSRPC_MAX_NPA", 4096, 1<<20)
	if bad != nil {
		return c, bad
	}
	if c.Workers+c.Spares > min(status.MaxWorkers, 1<<c.IndexBits) {
		return c, fmt.Errorf("%d workers and %d spares do not fit %d index bits; lower Workers= or Spares= of rpcd %s",
			c.Workers, c.Spares, c.IndexBits, name)
	}
	var err error
	c.Pipes, err = parsePipes(getenv("MSRPC_PIPES"))
	return c, err
}

func parsePipes(s string) (map[string]Pipe, error) {
	pipes := map[string]Pipe{}
	for _, f := range strings.Fields(s) {
		p := strings.Split(f, ":")
		if len(p) != 4 {
			return nil, fmt.Errorf("MSRPC_PIPES: %q is not name:type:state:allocation", f)
		}
		t, err1 := strconv.ParseUint(p[1], 10, 16)
		d, err2 := strconv.ParseUint(p[2], 10, 16)
		a, err3 := strconv.ParseUint(p[3], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("MSRPC_PIPES: %q has a bad number", f)
		}
		pipes[p[0]] = Pipe{FileType: uint16(t), DeviceState: uint16(d), Allocation: a}
	}
	return pipes, nil
}
