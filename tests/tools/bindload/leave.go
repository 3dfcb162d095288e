// SPDX-License-Identifier: Apache-2.0

package main

// Clients that leave before their answer, and those that are still there.

import (
	"fmt"
	"net"
	"time"
)

// sendAndLeave sends the bind and the calls of a session in one piece, reads
// nothing and closes; "reset" lets a TCP connection end by RST.
func (l *load) sendAndLeave(c net.Conn) error {
	defer c.Close()
	if t, ok := c.(*net.TCPConn); ok && l.leave == "reset" {
		t.SetLinger(0)
	}
	data := append([]byte(nil), l.pdu...)
	for range l.calls {
		data = append(data, l.request()...)
	}
	if _, err := c.Write(data); err != nil {
		return plain("send", err)
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
