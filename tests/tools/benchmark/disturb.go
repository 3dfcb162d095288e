// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"msrpcd/tests/tools/benchmark/report"
)

// This file owns restarts and kills under load: what clients see of them.
// tests/faults has many more kinds of faults and of clients.

const titleDisturbed = "Restarts and kills under load"

// disturbance is one way to disturb a load.
type disturbance struct {
	what   string
	kill   bool
	c      contender
	every  time.Duration
	script string // waits until it is over
}

func (b *bench) disturb() error {
	samba, native, _, err := b.three()
	if err != nil {
		return err
	}
	const often = 200 * time.Millisecond
	for _, d := range []disturbance{
		{"restart of the broker", false, samba, often, "systemctl restart msrpc-broker@winreg.service"},
		{"restart of all adaptors, each with its rpcd_winreg", false, samba, often, "systemctl restart 'msrpc-worker-winreg@*.service'"},
		{"restart of a native worker", false, native, often, "systemctl restart msrpc-worker-rpcecho@0.service"},
		{"restart of the endpoint mapper", false, b.mapper(true), often, "systemctl restart msrpc-worker-epmapper@0.service"},
		{"SIGKILL of the broker", true, samba, time.Second,
			"old=$(systemctl show -P MainPID msrpc-broker@winreg.service); systemctl kill -s KILL msrpc-broker@winreg.service; " +
				"while new=$(systemctl show -P MainPID msrpc-broker@winreg.service); [ $new = 0 ] || [ $new = $old ]; do :; done"},
	} {
		if err := b.disturbedBy(d); err != nil {
			b.problem("%s: %v", d.what, err)
		}
	}
	return nil
}

// disturbedBy disturbs a load until it ends.
func (b *bench) disturbedBy(d disturbance) error {
	if err := d.c.warm(8); err != nil {
		return err
	}
	length := 5 * b.length
	if d.kill {
		length *= 2
	}
	type ended struct {
		r   loadResult
		err error
	}
	done := make(chan ended, 1)
	go func() {
		r, _, err := d.c.load("-c", "16", "-rate", "1000", "-timeout", "5s", "-n", "0", "-d", length.String())
		done <- ended{r, err}
	}()
	pause := time.NewTicker(d.every) // the load is to flow between two of them
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case e := <-done:
			if e.err != nil {
				return e.err
			}
			if n == 0 {
				return fmt.Errorf("the load was over before the first time")
			}
			b.res.Disturbed = append(b.res.Disturbed, report.Disturbed{
				What: d.what, Kill: d.kill, Times: n, Conns: e.r.Conns, Failed: e.r.Failed, Errors: e.r.Errors,
			})
			return nil
		case <-pause.C:
			if err := sh(b.ours, d.script); err != nil {
				<-done
				return err
			}
		}
	}
}
