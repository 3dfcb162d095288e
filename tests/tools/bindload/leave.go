// SPDX-License-Identifier: Apache-2.0

package main

// Clients that leave before their answer, and those that are still there.

import (
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// halves are the two directions of a TCP connection or of one of a unix socket.
type halves interface {
	CloseRead() error
	CloseWrite() error
}

// sendAndLeave sends the bind and the calls of a session in one piece, reads
// nothing and closes; "reset" lets a TCP connection end by RST. "half" has sent
// all that it will, and leaves while answers come, "half-reset" by RST; "deaf"
// reads no answer from the start on.
func (l *load) sendAndLeave(c net.Conn) error {
	defer c.Close()
	if t, ok := c.(*net.TCPConn); ok && (l.leave == "reset" || l.leave == "half-reset") {
		t.SetLinger(0)
	}
	h := c.(halves)
	if l.leave == "deaf" {
		h.CloseRead()
	}
	data := append([]byte(nil), l.pdu...)
	for range l.calls {
		data = append(data, l.request()...)
	}
	if _, err := c.Write(data); err != nil {
		return plain("send", err)
	}
	switch l.leave {
	case "half", "half-reset":
		h.CloseWrite()
		time.Sleep(rand.N(2 * time.Millisecond)) // some answers are there then
	case "deaf":
		time.Sleep(rand.N(2 * time.Millisecond))
		h.CloseWrite()
	}
	return nil
}

// checkHeld calls on each held connection; the result counts those that answer.
func (l *load) checkHeld() {
	held, buf := l.held, make([]byte, 1<<16)
	l.held, l.latency, l.hold = nil, nil, 0
	l.res = result{Errors: map[string]int{}, Workers: map[uint32]int{}}
	for _, c := range held {
		start := time.Now()
		c.SetDeadline(start.Add(l.timeout))
		err := l.call(c, buf)
		if err != nil {
			err = fmt.Errorf("held connection: %w", err)
		}
		l.note(c, 0, time.Since(start), err)
	}
}
