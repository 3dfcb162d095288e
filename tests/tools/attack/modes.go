// SPDX-License-Identifier: Apache-2.0

package main

// This file owns what it takes: each attack goes on until a line comes.

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
)

// flood sends calls without waiting for the answers, which it reads.
func (a *attack) flood() string {
	var many []byte
	for n := range 2000 {
		many = append(many, a.request(uint32(n+2), whole, a.stub)...)
	}
	return a.send(many)
}

// send sends many PDUs, over and over, and reads what comes.
func (a *attack) send(many []byte) string {
	for range a.conns {
		c, _, err := a.bound()
		if err != nil {
			return err.Error()
		}
		go io.Copy(io.Discard, c)
		go func() {
			for {
				if _, err := c.Write(many); err != nil {
					return
				}
			}
		}()
	}
	hold()
	return "over"
}

// partial sends the beginnings of requests of 4 MiB, until no more are taken.
func (a *attack) partial() string {
	sent, fragment := 0, make([]byte, 5000)
	for range a.conns {
		c, _, err := a.bound()
		if err != nil {
			break
		}
		flags := byte(dcerpc.FlagFirst)
		for n := 0; n+len(fragment) < 4<<20; n += len(fragment) {
			if _, err := c.Write(a.request(2, flags, fragment)); err != nil {
				break
			}
			flags = 0
			sent += len(fragment)
		}
	}
	hold()
	return fmt.Sprint(sent)
}

// block makes calls that are not answered soon.
func (a *attack) block() string {
	for range a.conns {
		c, _, err := a.bound()
		if err != nil {
			return err.Error()
		}
		for n := range a.calls {
			c.Write(a.request(uint32(n+2), whole, a.stub))
		}
		defer c.Close()
	}
	hold()
	return "over"
}

// storm sends PDUs that ask for nothing: cancels, orphaned ones, alter_contexts.
func (a *attack) storm() string {
	h := dcerpc.Header{CallID: 2, Drep: dcerpc.LittleEndian, Flags: whole}
	var many []byte
	for range 500 {
		many = dcerpc.AppendCancel(many, h)
		many = dcerpc.AppendOrphaned(many, h)
		many = dcerpc.AppendAlterContext(many, h, dcerpc.Offer{}, []dcerpc.Presentation{{Abstract: a.iface, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}})
	}
	return a.send(many)
}

// deaf makes calls and takes no answer.
func (a *attack) deaf() string {
	made := 0
	for range a.conns {
		c, _, err := a.bound()
		if err != nil {
			break
		}
		defer c.Close()
		for n := range a.calls {
			c.Write(a.request(uint32(n+2), whole, a.stub))
			made++
		}
	}
	hold()
	return fmt.Sprint(made)
}

// handles makes calls that open a handle each.
func (a *attack) handles() string {
	answered := 0
	var all sync.WaitGroup
	for range a.conns {
		c, _, err := a.bound()
		if err != nil {
			break
		}
		defer c.Close()
		all.Add(1)
		go func() {
			defer all.Done()
			var many []byte
			for n := range a.calls {
				many = append(many, a.request(uint32(n+2), whole, a.stub)...)
			}
			c.Write(many)
		}()
		for range a.calls {
			if _, err := receive(c); err != nil {
				break
			}
			answered++
		}
	}
	all.Wait()
	hold()
	return fmt.Sprint(answered)
}

// shake begins handshakes of NTLM, several on each connection, and ends none. It goes
// on with new connections when old ones have gone.
func (a *attack) shake() string {
	token := (&authtest.NTLM{}).Negotiate()
	begin := func() {
		c, _, err := a.bound()
		for id := 0; err == nil && id < a.calls; id++ {
			h := dcerpc.Header{CallID: 2, Drep: dcerpc.LittleEndian, Flags: whole}
			pdu := dcerpc.AppendAlterContext(nil, h, dcerpc.Offer{}, []dcerpc.Presentation{{Abstract: a.iface, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}})
			pdu, _ = dcerpc.AppendAuth(pdu, 0, dcerpc.Auth{Type: dcerpc.AuthNTLM, Level: dcerpc.LevelPrivacy, ContextID: uint32(id), Value: token}, len(token))
			c.Write(pdu)
			_, err = receive(c)
		}
		if err == nil {
			held = append(held, c)
		}
	}
	for range a.conns {
		begin()
	}
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Add(1)
	go func() {
		defer ended.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				begin()
			}
		}
	}()
	hold()
	close(stop)
	ended.Wait()
	return fmt.Sprint(len(held))
}

var held []net.Conn
