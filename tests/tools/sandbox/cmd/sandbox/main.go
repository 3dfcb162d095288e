// SPDX-License-Identifier: Apache-2.0

// Command sandbox boots a throwaway systemd and runs one command in it; see
// package msrpcd/tests/tools/sandbox.
package main

import (
	"fmt"
	"os"
)

func main() {
	rc, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(rc)
}
