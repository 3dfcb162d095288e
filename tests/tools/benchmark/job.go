// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns what people wait for: whole jobs of real clients through a real
// smbd. Both sides take turns, each command of one is followed by the same of the
// other, and the order changes from pair to pair.

const (
	titleJobs     = "Whole jobs, warm, one by one"
	titleManyJobs = "Whole jobs, many at once"
	titleColdJobs = "Whole jobs, cold"
)

// account may do all of this; its name and password are for clients.
const account = "root%Secret-1234"

// setUpJobs makes both sides alike: an account, a printer's spool, smbd.
const setUpJobs = `printf 'Secret-1234\nSecret-1234\n' | smbpasswd -s -a root >/dev/null
mkdir -p -m 1777 /var/spool/bench; systemctl start smbd`

// job is what a client does.
type job struct {
	id, what string
	args     []string
	want     string // in what it prints
}

var jobs = []job{
	{"shares", "share listing (smbclient -L)", []string{"smbclient", "-L", "127.0.0.1", "-U", account}, "lp"},
	{"server", "server information (rpcclient srvinfo)", []string{"rpcclient", "-U", account, "-c", "srvinfo", "127.0.0.1"}, "platform_id"},
	{"accounts", "accounts (rpcclient enumdomusers)", []string{"rpcclient", "-U", account, "-c", "enumdomusers", "127.0.0.1"}, "user:[root]"},
	{"registry", "registry (net rpc registry enumerate)", []string{"net", "rpc", "registry", "enumerate",
		`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "-S", "127.0.0.1", "-U", account}, "Print"},
	{"printers", "printers (rpcclient enumprinters)", []string{"rpcclient", "-U", account, "-c", "enumprinters", "127.0.0.1"}, "lp"},
	{"print", "printing a file (smbclient print)", []string{"smbclient", "//127.0.0.1/lp", "-U", account, "-c", "print /etc/passwd"}, "putting file"},
}

// many lets $1 clients list the shares $2 times each, all at once.
const many = `clients=
for i in $(seq $1); do
	(for k in $(seq $2); do smbclient -L 127.0.0.1 -U ` + account + ` >/dev/null || exit; done) &
	clients="$clients $!"
done
for i in $clients; do wait $i || exit; done`

// endOurs and endTheirs leave listeners alone: systemd's, and samba-dcerpcd's.
const (
	endOurs   = "systemctl stop 'msrpc-broker@*.service' 'msrpc-worker-*.service'"
	endTheirs = "while pkill '^rpcd_'; do :; done"
)

// turn is a job on one side.
type turn struct{ wall, cpu time.Duration }

// do runs a job to its end, and to that of what it leaves servers to do.
func (b *bench) do(box *sandbox.Box, want string, args ...string) (t turn, err error) {
	before, err := serverCPU(box)
	if err != nil {
		return t, err
	}
	start := time.Now()
	out, stderr, rc := box.Run(context.Background(), args...)
	t.wall = time.Since(start)
	if rc != 0 || !strings.Contains(out+stderr, want) {
		return t, fmt.Errorf("exit status %d of %s: %s%s", rc, strings.Join(args[:2], " "), out, stderr)
	}
	after, err := settled(func() (cpuTime, error) { return serverCPU(box) })
	t.cpu = after.since(before).all()
	return t, err
}

// pairs does a job n times on each side. ready prepares a side, "" for nothing.
func (b *bench) pairs(id, what string, n int, readyOurs, readyStock, want string, args ...string) error {
	sides := []struct {
		box   *sandbox.Box
		ready string
		turns []turn
	}{{b.ours, readyOurs, nil}, {b.stock, readyStock, nil}}
	for i := range n + 1 {
		for k := range sides {
			s := &sides[(i+k)%2]
			if s.ready != "" {
				if err := sh(s.box, s.ready); err != nil {
					return err
				}
				settled(func() (cpuTime, error) { return serverCPU(s.box) })
			}
			t, err := b.do(s.box, want, args...)
			if err != nil {
				return err
			}
			if i > 0 { // the first makes both warm
				s.turns = append(s.turns, t)
			}
		}
	}
	j := report.Job{ID: id, What: what, Pairs: n}
	wall := func(t turn) time.Duration { return t.wall }
	cpu := func(t turn) time.Duration { return t.cpu }
	j.Wall, j.CPU = compareTurns(sides[0].turns, sides[1].turns, wall), compareTurns(sides[0].turns, sides[1].turns, cpu)
	b.res.Jobs = append(b.res.Jobs, j)
	return nil
}

// compareTurns takes ratios within each pair.
func compareTurns(ours, stock []turn, f func(turn) time.Duration) (r report.Relation) {
	var a, b, ratios []float64
	for i := range ours {
		x, y := f(ours[i]).Seconds()*1000, f(stock[i]).Seconds()*1000
		a, b, ratios = append(a, x), append(b, y), append(ratios, x/max(y, 1e-3))
	}
	return report.Relation{OursMS: report.Median(a), StockMS: report.Median(b), Ratio: report.Spread(ratios)}
}

// startJobs makes both sides ready for jobs, once.
func (b *bench) startJobs() error {
	if b.jobsReady {
		return nil
	}
	b.jobsReady = true
	for _, box := range []*sandbox.Box{b.ours, b.stock} {
		if err := sh(box, setUpJobs); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) warmJobs() error {
	if err := b.startJobs(); err != nil {
		return err
	}
	for _, j := range jobs {
		if err := b.pairs(j.id, j.what, 12*b.rounds, "", "", j.want, j.args...); err != nil {
			return err
		}
	}
	return b.servingMemory()
}

func (b *bench) manyJobs() error {
	if err := b.startJobs(); err != nil {
		return err
	}
	return b.pairs(report.JobMany, "32 clients at once, 4 share listings each", b.rounds, "", "", "",
		"bash", "-c", many, "bash", "32", "4")
}

func (b *bench) coldJobs() error {
	if err := b.startJobs(); err != nil {
		return err
	}
	shares := jobs[slices.IndexFunc(jobs, func(j job) bool { return j.id == "shares" })]
	return b.pairs(report.JobCold, "first "+shares.what+", no broker and no rpcd runs", 4*b.rounds, endOurs, endTheirs, shares.want, shares.args...)
}
