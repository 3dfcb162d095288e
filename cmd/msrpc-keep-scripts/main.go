// SPDX-License-Identifier: Apache-2.0

// Command msrpc-keep-scripts keeps what scripts of an rpcd left running when
// its worker ended; see msrpc-keep-scripts(8).
package main

import (
	"os"

	"msrpcd/pkg/host/scripts"
)

func main() { os.Exit(scripts.Main(os.Args[1:])) }
