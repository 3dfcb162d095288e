// SPDX-License-Identifier: Apache-2.0

package broker

import "testing"

// TestABindThatLiesUnreadIsNoSilence: what came before a silent client is closed
// counts, although the loop has not looked at it yet.
func TestABindThatLiesUnreadIsNoSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		close func(*model)
		ended int // of three others, silent all the time
	}{
		"too many of a source": {func(m *model) {
			m.connect(false)
			m.b.door.Accept(0)
		}, 0},
		"too many in all": {func(m *model) {
			m.b.cfg.Limits[0].Total = 4
			m.connect(false)
			m.b.door.Accept(0)
		}, 0},
		"too few descriptors": {func(m *model) { m.b.closeOldestSilent(-1) }, 0},
		"the time is over": {func(m *model) {
			m.pass(m.cfg.BindTimeout)
			m.b.loop.Tick()
			m.b.expire()
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, nil)
			m.openInbox(0)
			for range 4 {
				m.connect(false)
			}
			m.rest()
			m.peers[0].send(1 << 20)
			tt.close(m)
			m.read(0)
			m.account()
			ended := 0
			for _, p := range m.peers[1:] {
				if p.ended {
					ended++
				}
			}
			if !m.peers[0].handed || ended != tt.ended {
				t.Errorf("with a bind unread: handed over %v; %d of the others are closed, want %d", m.peers[0].handed, ended, tt.ended)
			}
		})
	}
}

// TestAllButOneAreParked when the loop takes up the next client, however busy it
// is: a crash may come at any moment.
func TestAllButOneAreParked(t *testing.T) {
	m := newModel(t, nil)
	for range 8 {
		m.connect(len(m.peers)%2 == 1)
	}
	m.turn() // looks, as each turn of a model, whenever one is accepted
	if n := m.b.waiting.at[parked].n; n < 6 {
		t.Errorf("%d of 8 are parked", n)
	}
}
