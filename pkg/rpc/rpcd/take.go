// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

func equalEndpoint(a, b string) bool { return strings.EqualFold(a, b) }

// takeListeners adopts what systemd passed: listeners or the inbox, and the
// parking.
func (l *loop) takeListeners(fds []sys.PassedFD) error {
	slots, fds := parking.Slots(fds)
	if err := l.takeNew(fds); err != nil {
		return err
	}
	return l.resume(slots)
}

func (l *loop) takeNew(fds []sys.PassedFD) error {
	for _, p := range fds {
		if p.Name == layout.FDNameInbox {
			return l.useInbox(fds)
		}
	}
	ls, err := endpoint.Listeners(fds, "msrpc-*-"+l.env.Name+".socket", "")
	if err != nil {
		return err
	}
	for _, e := range ls {
		l.accepts = append(l.accepts, l.endpointIndex(e.Endpoint))
	}
	l.door.Listeners = ls
	l.door.Open(kindListener)
	return nil
}

func (l *loop) useInbox(fds []sys.PassedFD) (err error) {
	dirs := inbox.Directories{NP: []byte(l.env.NPDir), Ncalrpc: []byte(l.env.NcalrpcDir)}
	if l.inbox, err = inbox.Take(fds, layout.WorkerSocket(l.env.Name, l.env.Index), dirs); err != nil {
		return err
	}
	l.inbox.RootUID = l.rootUID
	l.door.Also(l.inbox.FD, event.Token(kindInbox, 0, 0))
	return nil
}

func (l *loop) endpointIndex(e endpoint.Endpoint) int {
	for i := range l.endpoints {
		if l.endpoints[i] == e {
			return i
		}
	}
	l.endpoints = append(l.endpoints, e)
	return len(l.endpoints) - 1
}

// take begins with a new connection of a listener, and reports whether it is there
// still.
func (l *loop) take(fd, listener int) bool {
	l.received()
	c := l.add(fd, l.accepts[listener])
	if l.endpoints[c.endpoint].Transport.Relayed() {
		if cred, errno := sys.PeerCred(fd); errno != 0 || cred.Uid != l.rootUID {
			c.complain(l, slog.LevelWarn, "np peer", journal.IDBadPeer, "peer of a named pipe socket is not root: closed")
			c.close(l)
			return false
		}
		c.phase = wantNPA
	}
	c.turn(l)
	return c.fd >= 0
}

// spareFDs are left to the loop itself, and to what one hand-over brings.
const spareFDs = 32

// received and ended count connections in the status file.
func (l *loop) received() {
	l.lastActive = l.Now
	if l.line != nil {
		l.line.Received.Add(1)
	}
}

func (l *loop) ended() {
	l.lastActive = l.Now
	if l.line != nil {
		l.line.Ended(1)
	}
}

// takeInbox takes what the broker handed over.
func (l *loop) takeInbox() {
	for range inboxBatch {
		if !l.room() {
			l.door.Pause(unix.EMFILE) // received without room for it, a descriptor would be lost
			return
		}
		sent := l.line.Sent()
		n, errno := l.inbox.Receive()
		if errno != 0 {
			if errno == unix.EAGAIN {
				l.line.SettleLost(sent)
			}
			return
		}
		l.received()
		c, err := l.takeOne(n)
		if err != nil {
			l.inbox.Discard()
			l.ended()
			l.causes.Log(l.log, slog.LevelWarn, err.Error(), journal.IDHandoverRefused, "hand-over refused: "+err.Error(),
				journal.Transport, string(l.inbox.Peer.Transport), journal.Binding, string(l.inbox.Message.Binding))
			continue
		}
		c.turn(l)
	}
}

func (l *loop) takeOne(n int) (*conn, error) {
	if err := l.inbox.Check(n); err != nil {
		return nil, err
	}
	m, p := &l.inbox.Message, &l.inbox.Peer
	var info []byte
	if p.Transport.Relayed() {
		var err error
		if info, err = l.inbox.AppendNPA(make([]byte, 0, int(m.NPALength))); err != nil {
			return nil, err
		}
	}
	e, _ := endpoint.Parse(string(m.Binding)) // it agrees with the socket
	c := l.add(l.inbox.Conn(), l.endpointIndex(e))
	l.inbox.Release()
	if c.npa, c.npaLevel = info, m.NPALevel; info != nil {
		c.known(l)
	}
	if len(m.Head) > 0 {
		c.in = append(c.in, m.Head...)
		l.ledger.Force(c.from, source.Partial, len(c.in))
	}
	return c, nil
}
