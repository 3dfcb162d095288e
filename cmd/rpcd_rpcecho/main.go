// SPDX-License-Identifier: Apache-2.0

// Command rpcd_rpcecho serves rpcecho, the interface that Samba's tests call;
// it is the example of a native rpcd, see "Write your own rpcd" in README.md.
package main

import (
	"os"

	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/servers/rpcecho"
)

func main() { os.Exit(rpcd.Main(rpcecho.Server(), os.Args[1:])) }
