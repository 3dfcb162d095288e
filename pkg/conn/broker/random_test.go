// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// This file drives a broker turn by turn through a script of random events:
// clients that come, send, and leave, workers that read or do not, time that
// passes, a manager that does not read, stops and crashes. After each of them
// invariants_test.go looks at the broker, and here is known what became of each
// client.

// restart is a stop or a crash, and the next start.
func (m *model) restart(crash bool) {
	m.t.Helper()
	if crash {
		m.stick(false)
		m.b.loop.Tick()
	} else {
		if m.stuck { // it reads when the broker has begun to wait for it
			m.stuck = false
			time.AfterFunc(2*searchEvery, m.service.Hold.Unlock)
		}
		m.b.finish()
	}
	m.service.Sync()
	lost := m.b.waiting.at[late].n
	if m.b.parking.lotIncomplete {
		lost = m.b.waiting.n
	}
	if !crash && lost > 0 && m.cfg.MaxParked == 0 {
		m.t.Errorf("a stop loses %d", lost)
	}
	m.crashed += lost
	m.checkMessages(m.t, m.b)
	kept, age := m.b.waiting.at[parked].n, m.ages()
	m.halt()
	m.boot()
	for id, accepted := range m.ages() {
		if was, known := age[id]; known && was != accepted {
			m.t.Errorf("a connection accepted at %v is one of %v after the restart", was, accepted)
		}
	}
	if held := m.b.waiting.n; held > kept+len(m.peers) {
		m.t.Errorf("%d connections after a restart that kept %d", held, kept)
	}
}

// ages are those of all that wait.
func (m *model) ages() map[uint64]time.Duration {
	ages := map[uint64]time.Duration{}
	for i := range m.b.conns {
		if c := &m.b.conns[i]; c.state != free {
			ages[c.id] = c.accepted
		}
	}
	return ages
}

// account looks what became of each client: only the broker's refusals and crashes
// end one that did not end itself and that no worker has.
func (m *model) account() {
	m.t.Helper()
	lost := 0
	var b [64]byte
	for _, p := range m.peers {
		for !p.ended && p.fd >= 0 {
			n, errno := sys.Recv(p.fd, b[:], 0)
			if errno == unix.EAGAIN {
				break
			}
			p.ended = errno != 0 || n <= 0
			if p.ended && !p.quit && !p.handed {
				lost++
			}
		}
	}
	refused := m.b.status.Broker().Refused.Load()
	if allowed := int(refused-m.refused) + m.crashed; lost > allowed {
		m.t.Errorf("%d clients are lost, %d were refused or lost by a crash", lost, allowed)
	}
}

// step is one event.
func (m *model) step() {
	m.t.Helper()
	switch op := m.script.next(46); {
	case op < 9:
		m.connect(op >= 6)
	case op < 16:
		m.peer().sendPart(1 + m.script.next(80))
	case op < 22:
		m.peer().send(1 << 20)
	case op < 24:
		if p := m.peer(); !p.quit {
			p.quit = true
			unix.Shutdown(p.fd, []int{unix.SHUT_WR, unix.SHUT_RDWR}[m.script.next(2)])
		}
	case op < 27:
		m.toggleInbox(m.script.next(4))
	case op < 31:
		if i := m.script.next(4); m.inboxes[i] > 0 {
			m.read(i)
		}
	case op < 35:
		ms := []int{1, 3, 15, 60, 110, 400, 1100, 9000}[m.script.next(8)]
		m.pass(time.Duration(ms) * time.Millisecond)
	case op < 36:
		m.stick(m.script.next(2) == 0)
	case op < 37:
		m.b.needRoom = true
	case op < 38:
		if m.script.next(3) == 0 {
			m.restart(m.script.next(2) == 0)
		}
	case op < 39:
		m.fill(m.script.next(4))
	case op < 40: // as for a hand-over when too many descriptors are in flight
		if m.b.parking.lot.Shed() {
			m.b.noteIncomplete()
		}
	case op < 41:
		m.b.closeOldestSilent(-1)
	case op < 43:
		m.live(m.script.next(4))
	default:
		m.rest()
	}
	m.turn()
	m.account()
}

// run plays the script, and in the end serves all that still wait.
func (m *model) run() {
	m.t.Helper()
	m.refused = m.b.status.Broker().Refused.Load()
	for steps := 0; len(m.script.b) > 0 && !m.t.Failed(); steps++ {
		if m.step(); steps%64 == 0 && !m.stuck {
			m.checkMessages(m.t, m.b)
		}
	}
	m.stick(false)
	for i := range 4 {
		if m.end(i); m.inboxes[i] == 0 {
			m.openInbox(i)
		}
	}
	for range 60 {
		for _, p := range m.peers {
			p.send(1 << 20)
		}
		m.pass(100 * time.Millisecond)
		m.rest()
		for i := range 4 {
			m.read(i)
		}
		m.account()
	}
	for _, p := range m.peers {
		if !p.ended && !p.handed && !p.quit {
			m.t.Errorf("client %s has sent its bind, and no worker has it", p.name)
		}
	}
}

// TestWaitingClientsThroughRandomEvents prints its seed, with which it can be
// played again.
func TestWaitingClientsThroughRandomEvents(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MSRPCD_TEST_SEED"); text != "" {
		fmt.Sscan(text, &seed)
	}
	t.Logf("MSRPCD_TEST_SEED=%d plays this again", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for run := range 8 {
		data := make([]byte, 0, 1600)
		for len(data) < cap(data) {
			data = binary.LittleEndian.AppendUint64(data, rnd.Uint64())
		}
		t.Run(fmt.Sprint(run), func(t *testing.T) { newModel(t, data).run() })
	}
}

// FuzzWaiting plays scripts that the fuzzer makes up.
func FuzzWaiting(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 16, 0, 25, 0, 27, 0, 31, 3})
	f.Add([]byte{1, 6, 0, 9, 0, 70, 39, 37, 0, 0, 16, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= 1<<10 {
			newModel(t, data).run()
		}
	})
}
