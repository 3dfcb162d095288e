// SPDX-License-Identifier: Apache-2.0

// Command msrpc-samba-worker runs one unmodified Samba rpcd_* as a worker; see
// msrpc-samba-worker(8).
package main

import (
	"os"

	"msrpcd/pkg/conn/samba"
)

func main() { os.Exit(samba.Main(os.Args[1:])) }
