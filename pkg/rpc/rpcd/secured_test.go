// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"syscall"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

// Clients that are authenticated are served on after a graceful stop, in each of
// their security contexts and in the middle of a call; after a crash they are cut,
// since nobody knows how far their sequence numbers have come.
func TestAuthenticatedClientsOutliveAGracefulStopAndNoCrash(t *testing.T) {
	for name, signal := range ends {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			c, half := m.bound(layout.TCP, 0), m.bound(layout.TCP, 0)
			handle := c.counter(10)
			c.secured(1, dcerpc.LevelPrivacy)
			c.secured(2, dcerpc.LevelIntegrity)
			half.exchange(half.alter(1, dcerpc.LevelConnect, "token1"))
			m.aged()
			check := func() {
				c.names(c.in(1, dcerpc.LevelPrivacy, opIdentity), `TOY\somebody`)
				c.names(c.in(2, dcerpc.LevelIntegrity, opIdentity), `TOY\somebody`)
				c.names(c.request(opIdentity, nil), "anonymous")
			}
			check()
			for round := range uint32(2) {
				whole := c.in(2, dcerpc.LevelIntegrity, opIdentity) // its second half comes after the stop
				c.send(whole[:20])
				m.again(signal)
				if signal == syscall.SIGKILL {
					c.over()
					return
				}
				c.names(whole[20:], `TOY\somebody`)
				c.count(handle, 11+round)
				check()
			}
			if p, err := half.receive(); err != nil || p.Type != dcerpc.PTypeShutdown {
				t.Errorf("a client in the middle of a handshake: %s, %v", dcerpc.TypeName(p.Type), err)
			}
			half.over()
		})
	}
}
