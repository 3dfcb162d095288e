// SPDX-License-Identifier: Apache-2.0

// Command msrpc-generator makes systemd units of what the RPC servers of this
// host serve, see msrpc-generator(8).
package main

import (
	"fmt"
	"os"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/plan/unitgen"
)

func main() {
	if err := unitgen.Main(os.Args[1:], os.Environ()); err != nil {
		fmt.Fprintf(journal.Stderr, "msrpc-generator: %v\n", err)
		os.Exit(1)
	}
}
