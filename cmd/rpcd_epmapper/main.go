// SPDX-License-Identifier: Apache-2.0

// rpcd_epmapper is the endpoint mapper, see rpcd_epmapper(8).
package main

import (
	"os"

	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/servers/epm"
)

func main() { os.Exit(rpcd.Main(epm.Server(), os.Args[1:])) }
