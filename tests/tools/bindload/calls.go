// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// runCalls lets each client bind once and call opnum 0 without arguments, one
// call after the other, until the time is over. A call counts as a connection
// does otherwise.
func (l *load) runCalls() {
	start := time.Now()
	end := start.Add(l.duration)
	var wg sync.WaitGroup
	for range l.clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := l.caller(end); err != nil {
				l.note(nil, 0, 0, err)
			}
		}()
	}
	wg.Wait()
	l.res.Rate = float64(l.res.Conns) / time.Since(start).Seconds()
}

func (l *load) caller(end time.Time) error {
	c, err := l.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 1<<16)
	group, err := l.bind(c, buf)
	if err != nil {
		return err
	}
	c.SetDeadline(end.Add(l.timeout))
	var took []time.Duration
	for now := time.Now(); now.Before(end); {
		if err := nullCall(c, buf); err != nil {
			return err
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.res.Conns += len(took)
	l.res.Group = group
	l.latency = append(l.latency, took...)
	return nil
}

var nullRequest = []byte{5, 0, 0, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

func nullCall(c net.Conn, buf []byte) error {
	if _, err := c.Write(nullRequest); err != nil {
		return plain("send call", err)
	}
	have := 0
	for want := 16; have < want; {
		n, err := io.ReadAtLeast(c, buf[have:], want-have)
		if err != nil {
			return plain("read answer", err)
		}
		have += n
		if want = int(binary.LittleEndian.Uint16(buf[8:])); want < 24 || want > len(buf) {
			return fmt.Errorf("answer of %d bytes", want)
		}
	}
	if buf[2] != 2 {
		return fmt.Errorf("answer of type %d", buf[2])
	}
	return nil
}

// openHKLM is a request of 32 bytes for opnum 2 of winreg: no server name,
// MAXIMUM_ALLOWED. Any client may call it; the answer may be a refusal.
var openHKLM = []byte{
	5, 0, 0, 3, 0x10, 0, 0, 0, 32, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 2, 0,
	0, 0, 0, 0, 0, 0, 0, 2,
}

// request is a call as the transport frames it.
func (t *target) request() []byte {
	if t.npa != nil {
		return append([]byte{32, 0}, openHKLM...)
	}
	return openHKLM
}

// call makes one call of a session and reads its answer, which must be a
// response, on a named pipe in one message.
func (t *target) call(c net.Conn, buf []byte) error {
	head := 16
	if t.npa != nil {
		head = 18
	}
	if _, err := c.Write(t.request()); err != nil {
		return plain("send call", err)
	}
	if _, err := io.ReadFull(c, buf[:head]); err != nil {
		return plain("read answer of a call", err)
	}
	h := buf[head-16 : head]
	n := int(binary.LittleEndian.Uint16(h[8:]))
	if n < 24 || n > 4096 || h[2] != 2 {
		return fmt.Errorf("answer of type %d and %d bytes to a call", h[2], n)
	}
	if _, err := io.ReadFull(c, buf[head:head+n-16]); err != nil {
		return plain("read answer of a call", err)
	}
	return nil
}
