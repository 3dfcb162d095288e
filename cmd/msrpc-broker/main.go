// SPDX-License-Identifier: Apache-2.0

// Command msrpc-broker is the broker of one rpcd, see msrpc-broker(8).
package main

import (
	"fmt"
	"os"

	"msrpcd/pkg/broker"
	"msrpcd/pkg/journal"
)

func main() {
	if err := broker.Main(os.Args[1:]); err != nil {
		fmt.Fprintf(journal.Stderr, "msrpc-broker: %v\n", err)
		os.Exit(1)
	}
}
