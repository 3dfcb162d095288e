// SPDX-License-Identifier: Apache-2.0

// Command msrpc-auth authenticates clients of native rpcds, see msrpc-auth(8).
package main

import (
	"os"

	"msrpcd/pkg/rpc/auth/authd"
)

func main() { os.Exit(authd.Main()) }
