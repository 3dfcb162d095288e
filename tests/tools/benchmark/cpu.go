// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"msrpcd/tests/tools/sandbox"
)

// This file owns what a side's processes cost: the CPU time of their control
// group, which counts broker, adaptors and rpcds alike, also those that end.
// Where clients and servers share few cores this bounds the rate.

// Control groups of the contenders, below the root of their box.
const (
	groupLimit    = "system.slice/limit.service"
	groupStock    = "system.slice/samba-dcerpcd.service" // samba-dcerpcd and all its rpcds
	groupWinreg   = "msrpc.slice/msrpc-winreg.slice"     // broker, adaptors, rpcds
	groupRpcecho  = "msrpc.slice/msrpc-rpcecho.slice"
	groupEpmapper = "msrpc.slice/msrpc-epmapper.slice"
)

// cpuTime is the CPU time of a control group.
type cpuTime struct{ user, system time.Duration }

func (t cpuTime) all() time.Duration { return t.user + t.system }

func (t cpuTime) since(start cpuTime) cpuTime {
	return cpuTime{t.user - start.user, t.system - start.system}
}

// readCPU reads the CPU time of a control group.
func readCPU(box *sandbox.Box, group string) (cpuTime, error) {
	path := "/sys/fs/cgroup/" + group + "/cpu.stat"
	text, err := box.ReadFile(path)
	if err != nil {
		return cpuTime{}, err
	}
	t, ok := parseCPU(string(text))
	if !ok {
		return t, fmt.Errorf("%s has no CPU time", path)
	}
	return t, nil
}

// parseCPU reads a cpu.stat file.
func parseCPU(text string) (t cpuTime, ok bool) {
	found := 0
	for line := range strings.Lines(text) {
		var name string
		var us int64
		if n, _ := fmt.Sscan(line, &name, &us); n < 2 {
			continue
		}
		switch name {
		case "user_usec":
			t.user = time.Duration(us) * time.Microsecond
			found++
		case "system_usec":
			t.system = time.Duration(us) * time.Microsecond
			found++
		}
	}
	return t, found == 2
}

// settledCPU is readCPU once the group is idle.
func settledCPU(box *sandbox.Box, group string) (cpuTime, error) {
	return settled(func() (cpuTime, error) { return readCPU(box, group) })
}

// settled is the CPU time once those who use it are idle: servers close what a
// load has left a moment after it. What never rests is read as it is.
func settled(read func() (cpuTime, error)) (cpuTime, error) {
	const turn, idle = 10 * time.Millisecond, 200 * time.Microsecond
	t, err := read()
	for range 100 {
		if err != nil {
			break
		}
		last := t
		time.Sleep(turn) // the interval of the measurement
		if t, err = read(); t.since(last).all() <= idle {
			break
		}
	}
	return t, err
}

// serverCPU is what all processes of a box took but those that a client runs.
func serverCPU(box *sandbox.Box) (cpuTime, error) {
	all, err := readCPU(box, "")
	if err != nil {
		return all, err
	}
	visitors, err := readCPU(box, "visitors")
	return all.since(visitors), err
}
