// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"

	"msrpcd/tests/tools/benchmark/report"
)

// This file owns what is compared under load: binds over each transport, the
// endpoint mapper, calls.

const (
	titleTCP      = "Bind over ncacn_ip_tcp, a connection each"
	titleNcalrpc  = "Bind over ncalrpc"
	titleNP       = "Bind over ncacn_np, as smbd connects: with named pipe authentication"
	titleEpmapper = "Bind to the endpoint mapper over ncacn_ip_tcp: native against Samba's"
	titleCalls    = "Null calls on open connections (mgmt inq_if_ids): a native rpcd and Samba's"
)

// Interfaces.
const (
	ifWinreg   = "338cd001-2244-31f1-aaaa-900038001003"
	ifEpmapper = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
	ifRpcecho  = "60a15ec5-4de8-11d7-a637-005056a20182"
	ifMgmt     = "afa8bd80-7d8a-11c9-bef4-08002b102989"
)

var rpcecho = []string{"-iface", ifRpcecho, "-major", "1"}

func tcp(port string, more ...string) []string {
	return append([]string{"-addr", "127.0.0.1:" + port}, more...)
}

func local(path string, more ...string) []string {
	return append([]string{"-net", "unix", "-addr", path}, more...)
}

func (b *bench) limit() contender {
	return contender{report.WhoLimit, b.ours, groupLimit, tcp(limitPort)}
}

// mapper is the endpoint mapper over TCP, msrpcd's or Samba's.
func (b *bench) mapper(ours bool) contender {
	args := tcp("135", "-iface", ifEpmapper, "-major", "3")
	if ours {
		return contender{report.WhoDirect, b.ours, groupEpmapper, args}
	}
	return contender{report.WhoStock, b.stock, groupStock, args}
}

// samba is an unmodified rpcd_winreg below msrpcd over TCP.
func (b *bench) samba() (contender, error) {
	port, err := b.port("winreg")
	return contender{report.WhoSamba, b.ours, groupWinreg, tcp(port)}, err
}

// dcerpcd is the same below samba-dcerpcd.
func (b *bench) dcerpcd() (contender, error) {
	port, err := b.stockPort()
	return contender{report.WhoStock, b.stock, groupStock, tcp(port)}, err
}

// native is a native worker behind a broker over TCP.
func (b *bench) native() (contender, error) {
	port, err := b.port("rpcecho")
	return contender{report.WhoNative, b.ours, groupRpcecho, tcp(port, rpcecho...)}, err
}

// three are these, with more arguments of bindload.
func (b *bench) three(args ...string) (samba, native, dcerpcd contender, err error) {
	for c, get := range map[*contender]func() (contender, error){&samba: b.samba, &native: b.native, &dcerpcd: b.dcerpcd} {
		one, e := get()
		one.args = append(one.args, args...)
		*c, err = one, cmp.Or(err, e)
	}
	return
}

func (b *bench) bindTCP() error {
	samba, native, dcerpcd, err := b.three()
	if err == nil {
		b.bind(report.IDTCP, titleTCP, samba, native, b.limit(), dcerpcd)
	}
	return err
}

func (b *bench) bindNcalrpc() error {
	b.bind(report.IDNcalrpc, titleNcalrpc,
		contender{report.WhoSamba, b.ours, groupWinreg, local(ncalrpcDir + "rpcd_winreg")},
		contender{report.WhoNative, b.ours, groupRpcecho, local(ncalrpcDir+"rpcd_rpcecho", rpcecho...)},
		contender{report.WhoStock, b.stock, groupStock, local(ncalrpcDir + "rpcd_winreg")})
	return nil
}

func (b *bench) bindNP() error {
	npa := []string{"-npa", "/npa/" + b.level}
	b.bind(report.IDNP, titleNP,
		contender{report.WhoSamba, b.ours, groupWinreg, local(pipeDir+"winreg", npa...)},
		contender{report.WhoNative, b.ours, groupRpcecho, local(pipeDir+"rpcecho", append(npa, rpcecho...)...)},
		contender{report.WhoStock, b.stock, groupStock, local(pipeDir+"winreg", npa...)})
	return nil
}

func (b *bench) bindEpmapper() error {
	b.bind(report.IDEpmapper, titleEpmapper, b.mapper(true), b.limit(), b.mapper(false))
	return nil
}

func (b *bench) bind(id, title string, cs ...contender) {
	b.res.Binds = append(b.res.Binds, b.compare(id, title, report.Clients, cs...))
}

func (b *bench) calls() error {
	samba, native, dcerpcd, err := b.three("-calls", "-iface", ifMgmt, "-major", "1") // the last of equal flags counts
	if err == nil {
		c := b.compare(report.IDCalls, titleCalls, []int{1, 16}, samba, native, dcerpcd)
		b.res.Calls = &c
	}
	return err
}
