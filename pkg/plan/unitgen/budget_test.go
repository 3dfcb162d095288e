// SPDX-License-Identifier: Apache-2.0

//go:build !race

package unitgen

import "time"

// budget is what PID 1 is kept waiting at most, with 20 rpcds.
const budget = 20 * time.Millisecond
