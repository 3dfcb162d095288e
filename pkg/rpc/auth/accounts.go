// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"

	"msrpcd/pkg/wire/npa"
)

// Accounts is where accounts come from: winbindd (package winbind), or a file
// (package hashes). Its methods may be called by many goroutines at once, may
// wait, and return soon after ctx ends. Their errors wrap ErrDenied or
// ErrUnavailable.
type Accounts interface {
	// Names are the names of this host, for clients.
	Names(ctx context.Context) (Names, error)
	// Logon checks the answer of a client to an NTLM challenge.
	Logon(ctx context.Context, l *Logon) (*Account, error)
	// PAC checks the PAC of a ticket (MS-PAC) that this host could decrypt; it is
	// nil of a ticket without one, or whose PAC has no account. The zero Account says
	// that the client is the principal of the ticket, in no group.
	PAC(ctx context.Context, pac []byte) (*Account, error)
}

// Names are those of a host.
type Names struct {
	Computer, Domain       string // NetBIOS names; the domain is the computer on a standalone host
	DNSComputer, DNSDomain string // "" without one
}

// Logon is what a client sent of an NTLM authentication. Texts are as the client
// sent them.
type Logon struct {
	Account, Domain, Workstation string
	Challenge                    [8]byte
	LMResponse, NTResponse       []byte
}

// Account is one that may log on.
type Account struct {
	Name, Domain string
	SIDs         []npa.SID // see Caller
	SessionKey   [16]byte  // SessionBaseKey of NTLM (MS-NLMP 3.3.2), zero for a PAC
}
