// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"fmt"
	"slices"
)

// usage is the generator's whole command line, systemd.generator(7).
const usage = `usage: msrpc-generator NORMAL-DIR [EARLY-DIR LATE-DIR]
       msrpc-generator ` + ProblemFlag + `

Makes units of what the RPC servers of this host serve. It is run by systemd at
boot and at every daemon-reload; to look at its output, run it with an empty
directory. See msrpc-generator(8).
`

// Main is the program msrpc-generator.
func Main(args, environ []string) error {
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Print(usage)
		return nil
	case len(args) == 1 && args[0] == ProblemFlag:
		return Report(environ)
	case len(args) != 1 && len(args) != 3 || args[0] == "" || args[0][0] == '-':
		return errors.New("wrong arguments, see msrpc-generator --help")
	}
	// In the initrd nothing is served, and user managers have no RPC servers.
	if slices.Contains(environ, "SYSTEMD_IN_INITRD=1") || slices.Contains(environ, "SYSTEMD_SCOPE=user") {
		return nil
	}
	return Generate(args[0], DefaultInputs())
}
