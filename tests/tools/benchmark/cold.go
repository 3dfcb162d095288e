// SPDX-License-Identifier: Apache-2.0

package main

import (
	"msrpcd/tests/tools/benchmark/report"
)

// This file owns the cold start: the first bind while nothing of the rpcd runs.

const titleCold = "Cold start: first bind to its bind_ack"

// cold is one rpcd on both sides.
type cold struct {
	what, id     string
	ours, stock  contender
	stop, killed string // scripts that end what serves it
}

func (b *bench) coldStart() error {
	mapper := []string{"-iface", ifEpmapper, "-major", "3"}
	winreg, epmapper := local(ncalrpcDir+"rpcd_winreg"), local(ncalrpcDir+"EPMAPPER", mapper...)
	for _, c := range []cold{
		{"rpcd_winreg: broker, adaptor and rpcd, each in its sandbox; samba-dcerpcd runs already", "winreg",
			contender{report.WhoSamba, b.ours, groupWinreg, winreg}, contender{report.WhoStock, b.stock, groupStock, winreg},
			"systemctl stop msrpc-broker@winreg.service 'msrpc-worker-winreg@*.service'", endRpcd("rpcd_winreg")},
		{"endpoint mapper: native, in its sandbox; samba-dcerpcd runs already", "epmapper",
			contender{report.WhoDirect, b.ours, groupEpmapper, epmapper}, contender{report.WhoStock, b.stock, groupStock, epmapper},
			"systemctl stop 'msrpc-worker-epmapper@*.service'", endRpcd("rpcd_epmapper")},
	} {
		if err := b.coldStartOf(c); err != nil {
			return err
		}
	}
	return nil
}

// endRpcd ends a program below samba-dcerpcd, which starts it when it is wanted.
func endRpcd(program string) string {
	return "if pkill -x " + program + "; then while pgrep -x " + program + " >/dev/null; do :; done; fi"
}

func (b *bench) coldStartOf(c cold) error {
	var ours, stock, ratios []float64
	for range 2*b.rounds + 1 {
		if err := sh(b.ours, c.stop); err != nil {
			return err
		}
		mine, _, err := c.ours.load("-n", "1")
		if err != nil {
			return err
		}
		if err := sh(b.stock, c.killed); err != nil {
			return err
		}
		theirs, _, err := c.stock.load("-n", "1")
		if err != nil {
			return err
		}
		ours, stock = append(ours, mine.Max/1000), append(stock, theirs.Max/1000)
		ratios = append(ratios, mine.Max/max(theirs.Max, 1))
	}
	b.res.ColdStart = append(b.res.ColdStart, report.ColdStart{
		What: c.what, ID: c.id, OursMS: report.Median(ours), StockMS: report.Median(stock), Relation: report.Spread(ratios),
	})
	return nil
}
