// SPDX-License-Identifier: Apache-2.0

// Package ccache gets the ticket of a client that has logged on with kinit(1): from
// its credential cache, or from a KDC with the ticket-granting ticket there. The
// cache is a file, as KRB5CCNAME names it; it is not changed.
//
// Its API is for others to import.
package ccache
