// SPDX-License-Identifier: Apache-2.0

// Package plantest has the hosts that tests of plans, and of what reads plans,
// are about. Only tests import it.
//
// Its API is for msrpcd alone and may change with any version.
package plantest
