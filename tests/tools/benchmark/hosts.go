// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns the two boxes: one with msrpcd, one with samba-dcerpcd, over
// the same distribution and smb.conf.

// bench is a run.
type bench struct {
	ours, stock *sandbox.Box
	tools, npa  string // directories
	rounds      int
	length      time.Duration
	only        string
	most        int    // held connections
	level       string // file with a request of named pipe auth
	jobsReady   bool   // startJobs was called
	res         report.Result
}

const smbConf = `[global]
	workgroup = MSRPC
	netbios name = MSRPCTEST
	server role = standalone server
	rpc start on demand helpers = no
	disable netbios = yes
	printcap name = /dev/null
	printing = bsd
	lpq command = true
	realm = TEST.EXAMPLE
	kerberos method = dedicated keytab
	dedicated keytab file = /etc/krb5.keytab

[lp]
	path = /var/spool/bench
	printable = yes
	print command = rm %s
`

// rpcecho is native; here it is behind a broker.
const rpcechoConf = "[Rpcd]\nActivation=broker\nTransports=np tcp ncalrpc\n"

const (
	ncalrpcDir = "/run/samba/ncalrpc/"
	pipeDir    = "/run/samba/ncalrpc/np/"
	limitPort  = "7135"
)

const setUpOurs = `systemd-sysusers; systemd-tmpfiles --create; systemctl daemon-reload
msrpcctl refresh; systemctl start msrpc.target; systemctl stop msrpc-refresh.path
systemd-run -q --unit=limit /tools/limit -port ` + limitPort

// setUpStock starts samba-dcerpcd, which has as many descriptors as the workers
// of msrpcd have. What an earlier one has left goes, since it is waited for.
const setUpStock = `systemctl -q is-active samba-dcerpcd && systemctl stop samba-dcerpcd
rm -rf /run/samba; mkdir -p /run/samba
systemd-run -q --unit=samba-dcerpcd -p LimitNOFILE=16384 $(ls /usr/libexec/samba/samba-dcerpcd /usr/lib/*/samba/samba-dcerpcd 2>/dev/null | head -n 1) -F --libexec-rpcds
until [ -S ` + pipeDir + `winreg ] && [ -S ` + ncalrpcDir + `rpcd_winreg ]; do systemctl -q is-active samba-dcerpcd; done`

// boot starts both boxes.
func (b *bench) boot(tools, npa string) error {
	b.tools, b.npa = tools, npa
	var err error
	if b.ours, err = sandbox.Boot(b.options(os.Getenv("MSRPCD_STAGE"))); err != nil {
		return err
	}
	if b.stock, err = sandbox.Boot(b.options("")); err != nil {
		return errors.Join(err, b.ours.Close())
	}
	if err = sh(b.ours, setUpOurs); err == nil {
		err = sh(b.stock, setUpStock)
	}
	if err != nil {
		b.close()
		return fmt.Errorf("set up: %w", err)
	}
	b.describe()
	return nil
}

// options are those of a box with this stage.
func (b *bench) options(stage string) sandbox.Options {
	return sandbox.Options{
		Stage: stage,
		Binds: []string{b.tools + ":/tools", b.npa + ":/npa"},
		Files: map[string]string{"/etc/samba/smb.conf": smbConf, "/etc/msrpcd/rpcd.d/rpcecho.conf.d/bench.conf": rpcechoConf},
		Env:   []string{"PATH=/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
}

// describe fills in what all this runs on.
func (b *bench) describe() {
	samba, _, _ := b.ours.Run(context.Background(), "smbd", "-V")
	b.level = "samba-4.22.npa_request.1.rpcd_classic.bin"
	if strings.Contains(samba, "4.17.") {
		b.level = "samba-4.17.npa_request.1.rpcd_classic.bin"
	}
	systemd, _, _ := b.ours.Run(context.Background(), "systemctl", "--version")
	b.res.Date = time.Now().Format(time.DateOnly)
	b.res.Samba = strings.Replace(strings.TrimSpace(samba), "Version", "Samba", 1)
	b.res.Systemd = strings.SplitN(systemd, " (", 2)[0]
	b.res.Machine = machine()
}

// machine is described without its name.
func machine() (m report.Machine) {
	m.Cores = runtime.NumCPU()
	m.CPU = runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo")
	if f := regexp.MustCompile(`(?m)^model name\s*: (.+)$`).FindSubmatch(info); f != nil {
		m.CPU = strings.Join(strings.Fields(string(f[1])), " ")
	}
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) == nil {
		m.MemoryMiB = int(s.Totalram * uint64(s.Unit) >> 20)
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		release := string(u.Release[:bytes.IndexByte(u.Release[:], 0)])
		m.Kernel = regexp.MustCompile(`^\d+\.\d+`).FindString(release)
	}
	return m
}

func (b *bench) close() {
	for _, box := range []*sandbox.Box{b.ours, b.stock} {
		if err := box.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "benchmark:", err)
		}
	}
}

// problem notes what could not be measured; the run goes on.
func (b *bench) problem(format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	fmt.Fprintln(os.Stderr, "benchmark:", text)
	b.res.Problems = append(b.res.Problems, text)
}

// sh runs a script in a box.
func sh(box *sandbox.Box, script string) error {
	out, stderr, rc := box.Run(context.Background(), "bash", "-ec", script)
	if rc != 0 {
		return fmt.Errorf("exit status %d of %q: %s%s", rc, script, out, stderr)
	}
	return nil
}

// property of a unit.
func property(box *sandbox.Box, unit, name string) string {
	out, _, _ := box.Run(context.Background(), "systemctl", "show", "-P", name, unit)
	return strings.TrimSpace(out)
}

// port is the TCP port of an rpcd on our side.
func (b *bench) port(name string) (string, error) {
	if m := regexp.MustCompile(`:?(\d+) \(Stream\)`).FindStringSubmatch(property(b.ours, "msrpc-tcp-"+name+".socket", "Listen")); m != nil {
		return m[1], nil
	}
	return "", fmt.Errorf("%s has no TCP port", name)
}

// stockPort is that of winreg on the other side, which samba-dcerpcd writes down
// some time after it has started.
func (b *bench) stockPort() (port string, err error) {
	err = await(10*time.Second, func() (bool, error) {
		db, _ := b.stock.ReadFile("/run/samba/epmdb.tdb")
		_, rest, _ := strings.Cut(string(db), ifWinreg)
		m := regexp.MustCompile(`ncacn_ip_tcp:[0-9.]*\[(\d+)\]`).FindStringSubmatch(rest)
		if m != nil {
			port = m[1]
		}
		return m != nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("samba-dcerpcd has no TCP port for winreg: %w", err)
	}
	return port, nil
}

// await polls a condition.
func await(limit time.Duration, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", limit)
		}
	}
}
