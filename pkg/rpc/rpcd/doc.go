// SPDX-License-Identifier: Apache-2.0

// Package rpcd is the server library for native rpcds: a program describes its
// interfaces and calls Main. It is started as any rpcd of msrpcd is: with
// --list-interfaces it says what it serves, under systemd it takes its
// listeners (Activation=direct) or its inbox from LISTEN_FDS.
//
//	func main() {
//		os.Exit(rpcd.Main(&rpcd.Server{
//			Name: "clock", Workers: 1, IdleSec: 60,
//			Interfaces: []*rpcd.Interface{{
//				UUID: uuid.MustParse("..."), Major: 1, Name: "clock",
//				Bindings: []binding.Binding{{Protseq: binding.TCP}},
//				Ops:      []rpcd.Op{{Name: "Now", Run: now}},
//			}},
//		}, os.Args[1:]))
//	}
//
//	func now(c *rpcd.Call) dcerpc.Status {
//		c.Out.Uint64(uint64(time.Now().Unix()))
//		return 0
//	}
//
// Who calls is Call.Caller: named pipes and ncalrpc bring it along, clients over TCP
// have to authenticate themselves, by one of Server.Auth. Interface.MinLevel says how
// calls are to be protected, Op.Allow who may make them:
//
//	Auth: authd.Host(), // NTLM, Kerberos and SPNEGO with the accounts of this host
//	...
//	{Name: "Set", Run: set, Allow: rpcd.Members(npa.SIDAdministrators)},
//
// A program can also serve without systemd: by hand, with --listen tcp:127.0.0.1:0,
// or as a part of another one, with Server.Serve and Server.ServeConn.
//
// One event loop on one goroutine owns all connections, association groups and
// context handles. Operations run on it, one at a time, and need no locks; one
// that may block says so (Op.Blocking) and runs in a goroutine, during which
// its connection takes no other call unless the client asked for that with
// concurrent multiplexing. An idle connection costs 1 to 2 KiB, its place in the
// parking included.
//
// Its API is for others to import.
package rpcd
