// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns the memory of processes.

const titleIdle = "Memory of idle processes, after some hundred connections"

const restartOurs = "systemctl restart 'msrpc-broker@*.service' 'msrpc-worker-*@*.service'"

// idleMemory reads new processes once they have served a few clients. What a
// heavy load leaves in heaps would depend on what was measured before.
func (b *bench) idleMemory() error {
	if err := cmp.Or(sh(b.ours, restartOurs), sh(b.stock, setUpStock)); err != nil {
		return err
	}
	samba, native, dcerpcd, err := b.three()
	if err != nil {
		return err
	}
	for _, c := range []contender{samba, native, b.mapper(true), dcerpcd} {
		if err := c.warm(8); err != nil {
			return err
		}
		if _, err := settledCPU(c.box, c.group); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		name    string
		box     *sandbox.Box
		group   string
		program string // "": all of the group together
	}{
		{report.ProcBroker, b.ours, groupWinreg, "msrpc-broker"},
		{report.ProcAdaptor, b.ours, groupWinreg, "msrpc-samba-wor"},
		{"rpcd_winreg below it", b.ours, groupWinreg, "rpcd_winreg"},
		{"broker, adaptors and rpcds of winreg together", b.ours, groupWinreg, ""},
		{"native worker (rpcd_rpcecho)", b.ours, groupRpcecho, "rpcd_rpcecho"},
		{"native rpcd_epmapper", b.ours, groupEpmapper, "rpcd_epmapper"},
		{"samba-dcerpcd", b.stock, groupStock, "samba-dcerpcd"},
		{"rpcd_winreg below it", b.stock, groupStock, "rpcd_winreg"},
	} {
		m, n, err := groupMemory(p.box, p.group, p.program)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("no process %s in %s", p.program, p.group)
		}
		if p.program != "" { // of one on the average
			m.Private, m.PSS = m.Private/float64(n), m.PSS/float64(n)
		}
		b.res.Idle = append(b.res.Idle, report.Process{Name: p.name, Memory: m})
	}
	return nil
}

// servingMemory reads both sides after all jobs: five rpcds serve.
func (b *bench) servingMemory() error {
	for _, p := range []struct {
		name  string
		box   *sandbox.Box
		group string
		comms []string
	}{
		{report.ProcOurs, b.ours, "msrpc.slice", []string{"msrpc-broker", "msrpc-samba-wor"}},
		{report.ProcStock, b.stock, groupStock, []string{"samba-dcerpcd"}},
		{report.ProcAllOurs, b.ours, "msrpc.slice", []string{""}},
		{report.ProcAllStock, b.stock, groupStock, []string{""}},
	} {
		row := report.Serving{Name: p.name}
		for _, comm := range p.comms {
			m, n, err := groupMemory(p.box, p.group, comm)
			if err != nil {
				return err
			}
			row.Processes, row.Private, row.PSS = row.Processes+n, row.Private+m.Private, row.PSS+m.PSS
		}
		b.res.Serving = append(b.res.Serving, row)
	}
	return nil
}

// groupMemory adds up the processes of a control group and of those below it,
// all of them or those whose name is comm. n is their number.
func groupMemory(box *sandbox.Box, group, comm string) (sum report.Memory, n int, err error) {
	err = filepath.WalkDir(box.Path("/sys/fs/cgroup/"+group), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		pids, err := os.ReadFile(path) // as this process sees them, from outside of the box
		if err != nil {
			return err
		}
		for _, pid := range strings.Fields(string(pids)) {
			m, err := processMemory(pid, comm)
			if err != nil {
				return err
			}
			if m != nil {
				sum.Private, sum.PSS, n = sum.Private+m.Private, sum.PSS+m.PSS, n+1
			}
		}
		return nil
	})
	return sum, n, err
}

// processMemory reads one process; nil for another name and for one that has
// just ended.
func processMemory(pid, comm string) (*report.Memory, error) {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err == nil && comm != "" && strings.TrimSpace(string(name)) != comm {
		return nil, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile("/proc/" + pid + "/smaps")
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := parseSmaps(text)
	return &m, err
}

// parseSmaps adds up what a smaps file says of each mapping.
func parseSmaps(text []byte) (m report.Memory, err error) {
	lines := 0
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return m, fmt.Errorf("smaps: %w", err)
		}
		switch f[0] {
		case "Pss:":
			m.PSS += kib
			lines++
		case "Anonymous:":
			m.Private += kib
		}
	}
	if lines == 0 {
		return m, errors.New("smaps has no mapping")
	}
	return m, nil
}
