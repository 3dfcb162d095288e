// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// playWorker is a worker of the scripts: worker NAME I N TIME has N connections,
// that last TIME when it drains. TIME "deaf" ignores the request.
func playWorker() {
	useRoot()
	name, howLong := os.Args[1], os.Args[4]
	index, _ := strconv.Atoi(os.Args[2])
	n, _ := strconv.Atoi(os.Args[3])
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
	}
	must(os.MkdirAll(layout.RpcdDir(name), 0o755))
	must(status.Prepare(layout.StatusFile(name), 8, os.Geteuid(), os.Getegid()))
	l, err := inbox.LockLine(name, index)
	must(err)
	asked := make(chan os.Signal, 8)
	signal.Notify(asked, status.DrainSignal, syscall.SIGINT)
	l.PID.Store(uint32(os.Getpid()))
	l.Received.Add(uint64(n))
	l.Groups.Store(1)
	l.Flags.Store(status.Ready)
	must(os.WriteFile(fmt.Sprintf("%s/up-%s-%d", os.Getenv("ROOT"), name, index), nil, 0o644))
	for sig := range asked {
		if sig == syscall.SIGINT {
			break
		}
		if lasts, err := time.ParseDuration(howLong); err == nil {
			l.Drain(status.Leaving)
			go func() {
				time.Sleep(lasts)
				asked <- syscall.SIGINT
			}()
		}
	}
	l.Clear()
}
