// SPDX-License-Identifier: Apache-2.0

// Command msrpcctl controls MSRPC services under systemd, see msrpcctl(8).
package main

import (
	"os"

	"msrpcd/pkg/ctl"
)

func main() { os.Exit(ctl.Main(os.Args[1:])) }
