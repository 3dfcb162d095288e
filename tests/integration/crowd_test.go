// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"msrpcd/tests/tools/check"
)

// Crowds of clients, for tests of limits.

// crowd is a bindload with silent clients.
type crowd struct {
	h     *host
	cmd   *exec.Cmd
	input io.Writer
	out   output
}

// output collects what a program prints while others read it.
type output struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// silent opens n connections from an address, to winreg if args say nothing
// else; they say nothing until bind.
func (h *host) silent(from string, n int, args ...string) *crowd {
	h.t.Helper()
	return h.crowd(append([]string{"bindload", "-addr", winregAddr, "-from", from, "-n", strconv.Itoa(n), "-silent", "-timeout", "100s"}, args...)...)
}

func (h *host) crowd(command ...string) *crowd {
	h.t.Helper()
	c := &crowd{h: h, cmd: h.Command(context.Background(), command...)}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	var err error
	if c.input, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	check.OK(h.t, err)
	return c
}

// bind lets all of them bind and tells how that went.
func (c *crowd) bind() loadResult {
	c.h.t.Helper()
	fmt.Fprintln(c.input)
	if err := c.cmd.Wait(); err != nil {
		c.h.t.Error(err)
	}
	return parseLoad(c.h.t, c.out.String())
}

// pending waits until so many clients wait in the broker.
func (h *host) pending(n uint32) {
	h.t.Helper()
	f := h.statusFile("winreg")
	h.eventually(func() error {
		if p := f.Broker().Pending.Load(); p != n {
			return fmt.Errorf("%d clients wait, want %d", p, n)
		}
		return nil
	})
}

// warm has workers started.
func (h *host) warm() {
	h.t.Helper()
	if r := h.load("-addr", winregAddr, "-n", "50"); r.Conns != 50 {
		h.t.Fatalf("before: %+v", r)
	}
}

// atOnce has talking clients served within 100 ms. The machine may have others
// to serve at that moment, so that one of three tries has to do.
func (h *host) atOnce(args ...string) {
	h.t.Helper()
	var r loadResult
	for range 3 {
		r = h.load(append([]string{"-addr", winregAddr, "-n", "50"}, args...)...)
		h.t.Logf("talking clients: %+v", r)
		if r.Conns != 50 || r.P99 <= 100_000 {
			break
		}
	}
	if r.Conns != 50 || r.P99 > 100_000 {
		h.t.Errorf("talking clients meanwhile: %+v", r)
	}
}

// cpu is the CPU time that the broker has used.
func (h *host) cpu() time.Duration {
	h.t.Helper()
	ns, err := strconv.ParseInt(h.property("msrpc-broker@winreg.service", "CPUUsageNSec"), 10, 64)
	check.OK(h.t, err)
	return time.Duration(ns)
}
