// SPDX-License-Identifier: Apache-2.0

//go:build race

package unitgen

import "time"

// budget under the race detector only keeps gross mistakes out.
const budget = 400 * time.Millisecond
