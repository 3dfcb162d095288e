// SPDX-License-Identifier: Apache-2.0

// Command tally reads the output of go test -json, shows what failed, and
// appends a line "PASSED FAILED SKIPPED" to the file that is its argument.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ... | tally COUNTS")
		os.Exit(2)
	}
	c, err := tally(os.Stdin, os.Stdout)
	if err == nil {
		err = c.appendTo(os.Args[1])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tally: %v\n", err)
		os.Exit(2)
	}
}
