// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"msrpcd/tests/sandbox"
)

const smbConf = `[global]
	workgroup = MSRPC
	netbios name = MSRPCTEST
	server role = standalone server
	rpc start on demand helpers = no
	disable netbios = yes
	printcap name = /dev/null
	printing = bsd
`

// What is compared, on both sides.
const (
	winreg     = "338cd001-2244-31f1-aaaa-900038001003"
	epmapper   = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
	mgmt       = "afa8bd80-7d8a-11c9-bef4-08002b102989"
	winregPath = "/run/samba/ncalrpc/rpcd_winreg"
	winregPipe = "/run/samba/ncalrpc/np/winreg"
	limitPort  = "7135"
)

// boot starts both boxes.
func (b *bench) boot(tools, npa string) error {
	o := sandbox.Options{
		Stage: os.Getenv("MSRPCD_STAGE"),
		Binds: []string{tools + ":/tools", npa + ":/npa"},
		Files: map[string]string{"/etc/samba/smb.conf": smbConf},
		Env:   []string{"PATH=/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	var err error
	if b.ours, err = sandbox.Boot(o); err != nil {
		return err
	}
	o.Stage = ""
	if b.stock, err = sandbox.Boot(o); err != nil {
		return err
	}
	for _, c := range []struct {
		box    *sandbox.Box
		script string
	}{
		{b.ours, "systemd-sysusers; systemd-tmpfiles --create; systemctl daemon-reload; msrpcctl refresh; systemctl start msrpc.target; " +
			"systemctl stop msrpc-refresh.path; systemd-run -q --unit=limit /tools/limit -port " + limitPort},
		{b.stock, "mkdir -p /run/samba; systemd-run -q --unit=samba-dcerpcd $(ls /usr/libexec/samba/samba-dcerpcd /usr/lib/*/samba/samba-dcerpcd 2>/dev/null | head -n 1) -F --libexec-rpcds; " +
			"until [ -S " + winregPipe + " ] && [ -S " + winregPath + " ]; do :; done"},
	} {
		if out, stderr, rc := c.box.Run(context.Background(), "sh", "-ec", c.script); rc != 0 {
			return fmt.Errorf("set up: exit status %d: %s%s", rc, out, stderr)
		}
	}
	version, _, _ := b.ours.Run(context.Background(), "smbd", "-V")
	b.level = "samba-4.22.npa_request.1.rpcd_classic.bin"
	if strings.Contains(version, "4.17.") {
		b.level = "samba-4.17.npa_request.1.rpcd_classic.bin"
	}
	systemd, _, _ := b.ours.Run(context.Background(), "systemctl", "--version")
	fmt.Printf("%s, %s, %s: median of %d rounds of %v\n", time.Now().Format(time.DateOnly), strings.TrimSpace(version),
		strings.SplitN(systemd, " (", 2)[0], b.rounds, b.length)
	return nil
}

func (b *bench) close() {
	for _, box := range []*sandbox.Box{b.ours, b.stock} {
		if err := box.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "benchmark:", err)
		}
	}
}

// port is the TCP port of winreg on our side.
func (b *bench) port(name string) string {
	out, _, _ := b.ours.Run(context.Background(), "systemctl", "show", "-P", "Listen", "msrpc-tcp-"+name+".socket")
	if m := regexp.MustCompile(`:?(\d+) \(Stream\)`).FindStringSubmatch(out); m != nil {
		return m[1]
	}
	return "0"
}

// stockPort is that on the other side, which samba-dcerpcd writes down.
func (b *bench) stockPort() string {
	db, _ := b.stock.ReadFile("/run/samba/epmdb.tdb")
	_, rest, _ := strings.Cut(string(db), winreg)
	if m := regexp.MustCompile(`ncacn_ip_tcp:[0-9.]*\[(\d+)\]`).FindStringSubmatch(rest); m != nil {
		return m[1]
	}
	return "0"
}

func (b *bench) rates() {
	tcp := func(port string, more ...string) []string {
		return append([]string{"-addr", "127.0.0.1:" + port}, more...)
	}
	unix := func(path string, more ...string) []string {
		return append([]string{"-net", "unix", "-addr", path}, more...)
	}
	limit := contender{"limit", b.ours, groupLimit, tcp(limitPort)}
	ours, stock := b.port("winreg"), b.stockPort()
	three := []int{1, 8, 64}
	b.compare("Bind to an unmodified rpcd_winreg over ncacn_ip_tcp, a connection each", three,
		contender{"msrpcd", b.ours, groupWinreg, tcp(ours)}, limit, contender{"samba-dcerpcd", b.stock, groupStock, tcp(stock)})
	b.compare("Bind to an unmodified rpcd_winreg over ncalrpc", three,
		contender{"msrpcd", b.ours, groupWinreg, unix(winregPath)}, contender{"samba-dcerpcd", b.stock, groupStock, unix(winregPath)})
	b.compare("Bind to an unmodified rpcd_winreg over ncacn_np, as smbd connects", three,
		contender{"msrpcd", b.ours, groupWinreg, unix(winregPipe, "-npa", "/npa/"+b.level)},
		contender{"samba-dcerpcd", b.stock, groupStock, unix(winregPipe, "-npa", "/npa/"+b.level)})
	mapper := []string{"-iface", epmapper, "-major", "3"}
	b.compare("Bind to the endpoint mapper over ncacn_ip_tcp: native against Samba's", three,
		contender{"msrpcd", b.ours, groupEpmapper, tcp("135", mapper...)}, limit, contender{"samba-dcerpcd", b.stock, groupStock, tcp("135", mapper...)})
	null := []string{"-calls", "-iface", mgmt, "-major", "1"}
	b.compare("Null calls (mgmt inq_if_ids): a native rpcd against Samba's rpcd_winreg", []int{1, 16},
		contender{"msrpcd, native", b.ours, groupEpmapper, tcp("135", null...)},
		contender{"msrpcd, rpcd_winreg", b.ours, groupWinreg, tcp(ours, null...)},
		contender{"samba-dcerpcd, rpcd_winreg", b.stock, groupStock, tcp(stock, null...)})
}

// coldStart measures the first bind while nothing of the rpcd runs.
func (b *bench) coldStart() {
	const title = "Cold start: first bind to its bind_ack"
	if !strings.Contains(title, b.only) {
		return
	}
	fmt.Printf("\n### %s\n\n| who | ms |\n|---|---|\n", title)
	var ours, stock []float64
	for range 2*b.rounds + 1 {
		b.ours.Run(context.Background(), "sh", "-c", "systemctl stop msrpc-broker@winreg.service 'msrpc-worker-winreg@*.service'")
		ours = append(ours, b.first(contender{"msrpcd", b.ours, groupWinreg, []string{"-net", "unix", "-addr", winregPath}}))
		b.stock.Run(context.Background(), "sh", "-c", "pkill -x rpcd_winreg; while pgrep -x rpcd_winreg; do :; done >/dev/null")
		stock = append(stock, b.first(contender{"samba-dcerpcd", b.stock, groupStock, []string{"-net", "unix", "-addr", winregPath}}))
	}
	fmt.Printf("| msrpcd (broker, adaptor and rpcd start, sandboxed) | %.1f |\n| samba-dcerpcd (rpcd starts) | %.1f |\n| ratio | %.2f |\n",
		median(ours), median(stock), median(ours)/median(stock))
}

func (b *bench) first(c contender) float64 {
	old := b.length
	defer func() { b.length = old }()
	out, _, _ := c.box.Run(context.Background(), append([]string{"bindload", "-n", "1"}, c.args...)...)
	m := regexp.MustCompile(`"max_us":(\d+)`).FindStringSubmatch(out)
	if m == nil {
		return 0
	}
	us := 0.0
	fmt.Sscan(m[1], &us)
	return us / 1000
}

// memory reads what each process keeps for itself. File pages do not count:
// the stage lies on a tmpfs here, where they look private.
func (b *bench) memory() {
	const title = "Memory of idle processes"
	if !strings.Contains(title, b.only) {
		return
	}
	fmt.Printf("\n### %s\n\n| process | anonymous private KiB | PSS KiB |\n|---|---|---|\n", title)
	for _, p := range []struct {
		name string
		box  *sandbox.Box
		pid  string
	}{
		{"msrpc-broker", b.ours, "systemctl show -P MainPID msrpc-broker@winreg.service"},
		{"msrpc-samba-worker", b.ours, "systemctl show -P MainPID msrpc-worker-winreg@0.service"},
		{"rpcd_epmapper, native", b.ours, "systemctl show -P MainPID msrpc-worker-epmapper@0.service"},
		{"samba-dcerpcd", b.stock, "systemctl show -P MainPID samba-dcerpcd.service"},
	} {
		out, _, _ := p.box.Run(context.Background(), "sh", "-c", "cd /proc/$("+p.pid+") && awk '/^Pss:/{p+=$2} /^Anonymous:/{a+=$2} END{print a, p}' smaps")
		var anon, pss int
		fmt.Sscan(out, &anon, &pss)
		fmt.Printf("| %s | %d | %d |\n", p.name, anon, pss)
	}
}

// generator times msrpc-generator over this host's catalogue.
func (b *bench) generator() {
	const title = "Generator"
	if !strings.Contains(title, b.only) {
		return
	}
	var took []float64
	for range 4*b.rounds + 1 {
		out, _, _ := b.ours.Run(context.Background(), "sh", "-c", `d=$(mktemp -d); s=$(date +%s%N); /usr/lib/systemd/system-generators/msrpc-generator $d $d $d; e=$(date +%s%N); rm -r $d; echo $((e-s))`)
		ns := 0.0
		fmt.Sscan(out, &ns)
		took = append(took, ns/1e6)
	}
	fmt.Printf("\n### %s\n\n%.1f ms with the rpcds of this host, process start included\n", title, median(took))
}
