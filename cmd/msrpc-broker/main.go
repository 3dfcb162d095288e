// SPDX-License-Identifier: Apache-2.0

// Command msrpc-broker is the broker of one rpcd, see msrpc-broker(8).
package main

import (
	"errors"
	"fmt"
	"os"

	"msrpcd/pkg/conn/broker"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
)

func main() {
	err := broker.Main(os.Args[1:])
	if errors.Is(err, broker.ErrReplaced) {
		os.Exit(layout.ExitReplaced)
	}
	if err != nil {
		fmt.Fprintf(journal.Stderr, "msrpc-broker: %v\n", err)
		os.Exit(1)
	}
}
