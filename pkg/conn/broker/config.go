// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"strconv"
	"strings"

	"msrpcd/pkg/conn/pipeauth"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// Config is what a unit sets for its broker: the rows of setting.Table for
// brokers, as environment variables.
type Config struct {
	setting.Values
	Pipes map[string]pipeauth.Pipe // without DCE/RPC (npsd_*): MSRPC_PIPES, "name:type:state:allocation ..."
}

// ConfigFromEnv reads the configuration of the broker of rpcd name.
func ConfigFromEnv(name string, getenv func(string) string) (Config, error) {
	c := Config{Values: setting.Defaults()}
	if c.Name = name; !layout.ValidName(name) {
		return c, fmt.Errorf("%q is not the NAME of an rpcd; start msrpc-broker@NAME.service", name)
	}
	if err := c.Environ(setting.Broker, getenv); err != nil {
		return c, err
	}
	if c.Workers < 1 || c.Workers+c.Spares > min(status.MaxWorkers, 1<<c.IndexBits) {
		return c, fmt.Errorf("%d workers and %d spares do not fit %d index bits, and one worker is the least; change Workers= or Spares= of rpcd %s and run msrpcctl refresh",
			c.Workers, c.Spares, c.IndexBits, name)
	}
	var err error
	c.Pipes, err = parsePipes(c.PlainPipes)
	return c, err
}

func parsePipes(s string) (map[string]pipeauth.Pipe, error) {
	pipes := map[string]pipeauth.Pipe{}
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
		pipes[p[0]] = pipeauth.Pipe{FileType: uint16(t), DeviceState: uint16(d), Allocation: a}
	}
	return pipes, nil
}
