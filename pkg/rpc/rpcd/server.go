// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"sync"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// Server describes an rpcd.
type Server struct {
	Name       string // as in unit names, [a-z0-9_]{1,32}
	Interfaces []*Interface
	Workers    int // processes that share the load, as in --list-interfaces; 0 = 1
	IdleSec    int // seconds without a connection until the process ends; 0 = 60

	// Start, if set, is called before anything is served: it may refuse to.
	Start func() error
	// CutsFiles keeps what replaces the contents of files of its own in place:
	// os.Create, os.WriteFile, O_TRUNC. Without it, who takes the server over
	// cannot end its broker or other workers, which map the status file.
	CutsFiles bool
	// Auth are the ways in which clients may authenticate themselves: authd.Host()
	// for those of this host, by msrpc-auth; File.Mechanisms of package hashes for
	// accounts of a file, which needs neither systemd nor Samba. Others are refused, so that no client that wants to be authenticated is served as
	// anonymous; but for root over ncalrpc, who may be the local system in every
	// server.
	Auth []auth.Mechanism
	// Limits bound what one peer can take; zero fields have defaults.
	Limits Limits

	embedded bool // served by Serve or ServeConn, serve.go
	starting sync.Once
	running  *loop
	failed   error
	stopped  chan struct{} // closed when running has ended
}

// Limits bound what a connection or an association group can take. What all
// clients and those of one source can take is up to the administrator,
// msrpcd.conf(5).
type Limits struct {
	Contexts int // presentation contexts of a connection, 128
	Handles  int // context handles of an association group, 1,024
	Stub     int // bytes of the stub data of a request, 4 MiB
}

func (l *Limits) setDefaults() {
	for _, f := range []struct {
		value    *int
		standard int
	}{
		{&l.Contexts, 128}, {&l.Handles, 1024}, {&l.Stub, 4 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.standard
		}
	}
}

// Interface is an RPC interface of a Server.
type Interface struct {
	UUID     uuid.UUID
	Major    uint16
	Minor    uint16
	Name     string            // as in --list-interfaces
	Bindings []binding.Binding // where it is offered; without endpoint: on the dynamic one
	Ops      []Op              // by opnum; one without Run faults with nca_s_op_rng_error

	// MinLevel is the least protection that calls have: dcerpc.LevelConnect for
	// authenticated callers, LevelIntegrity, LevelPrivacy; 0 takes all. ncalrpc has
	// it always, a named pipe counts as connect. Others get access_denied.
	MinLevel byte

	// Restore, if set, makes the value of a context handle again from what its
	// Snapshot returned in the process before. An error ends the connections of
	// the handle's association group.
	Restore func(state []byte) (value any, err error)
}

// Op is an operation of an interface.
type Op struct {
	Name string
	// Run reads its arguments from c.In and writes its results to c.Out. A
	// status other than 0 is sent as a fault; what c.In could not
	// decode is a fault too, whatever Run returns.
	Run func(c *Call) dcerpc.Status
	// Allow, if set, decides on the loop whether a caller may make the call; see
	// Members. Others get access_denied.
	Allow func(*Caller) bool
	// Blocking: Run may wait for something, so it gets a goroutine of its own,
	// and should end when Call.Gone says that no client wants its results.
	// It must not touch context handles of the group from there but through
	// the methods of Call.
	Blocking bool
}

// id is the interface's id as on the wire.
func (i *Interface) id() dcerpc.SyntaxID {
	return dcerpc.SyntaxID{UUID: i.UUID, Version: i.version()}
}

// version is the version of an interface as on the wire: minor in the high bits.
func (i *Interface) version() uint32 { return uint32(i.Minor)<<16 | uint32(i.Major) }

// offered reports whether i is served where a connection came in. endpoint is
// "" on a dynamic one.
func (i *Interface) offered(protseq, endpoint string) bool {
	for _, b := range i.Bindings {
		if b.Protseq == protseq && (equalEndpoint(b.Endpoint, endpoint) || b.Endpoint == "") {
			return true
		}
	}
	return false
}
