// SPDX-License-Identifier: Apache-2.0

//go:build integration

package samba

// The adaptor with a real rpcd_winreg, as root. MSRPC_TEST_SAMBA_ROOT names the
// root directory of another distribution whose Samba is taken; it is entered
// with chroot.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/abi"
	"msrpcd/tests/tools/check"
)

const liveProgram = "/usr/libexec/samba/rpcd_winreg"

// live is a fixture whose adaptor is the program itself, with a real rpcd.
type live struct {
	*fixture
	program string
	layout  abi.Layout
}

func newLive(t *testing.T) *live {
	t.Helper()
	f := newFixture(t)
	l := &live{fixture: f, program: filepath.Join(f.dir, "msrpc-samba-worker")}
	root := os.Getenv("MSRPC_TEST_SAMBA_ROOT")
	f.must(os.MkdirAll(root+f.dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(root + f.dir) })
	conf := "[global]\nnetbios name = HOST\nserver role = standalone\nlog file = " + f.dir + "/log\n"
	for _, d := range []string{"lock", "private", "state", "cache", "pid"} {
		f.must(os.Mkdir(root+filepath.Join(f.dir, d), 0o755))
		option := map[string]string{"lock": "lock directory", "private": "private dir", "state": "state directory", "cache": "cache directory", "pid": "pid directory"}[d]
		conf += option + " = " + filepath.Join(f.dir, d) + "\n"
	}
	conf += "ncalrpc dir = " + filepath.Join(f.dir, "ncalrpc") + "\n"
	f.must(os.WriteFile(root+f.dir+"/smb.conf", []byte(conf), 0o644))
	f.exec = liveProgram
	if root != "" {
		f.exec = filepath.Join(f.dir, "rpcd_winreg")
		// The smb.conf that askVersion makes is not in the root.
		f.must(os.WriteFile(f.exec, []byte(`#!/bin/sh
for a; do
	c=${a#--configfile=}
	[ "$a" = "$c" ] || [ -e "`+root+`$c" ] || { mkdir -p "`+root+`${c%/*}"; cp "$c" "`+root+`$c"; }
done
exec chroot `+root+" "+liveProgram+` "$@"
`), 0o755))
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w -X msrpcd/pkg/host/layout.Runtime="+f.dir+"/run", "-o", l.program, "msrpcd/cmd/msrpc-samba-worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	v, err := askVersion(f.exec)
	if err != nil {
		t.Fatalf("%v; install samba to run this test", err)
	}
	l.layout = layoutOf(t, v.String())
	f.told = v.String()
	f.extra = append(f.extra, "MSRPC_MESSAGING_DIR="+root+f.dir+"/lock", "MSRPC_LOCK_DIR="+root+f.dir+"/lock", "MSRPC_SMB_CONF="+f.dir+"/smb.conf", "MSRPC_GUEST_ACCOUNT=nobody")
	t.Logf("samba %v", v)
	return l
}

// start starts the program as its unit does. A shell puts the pid in place.
func (l *live) start() {
	l.t.Helper()
	f := l.fixture
	f.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, l.program)
	f.cmd.ExtraFiles = []*os.File{f.inbox}
	f.cmd.Stdout, f.cmd.Stderr = &f.output, &f.output
	f.cmd.Env = append(append(os.Environ(), f.vars()...), "LISTEN_FDS=1", "LISTEN_FDNAMES=inbox", "NOTIFY_SOCKET="+f.dir+"/notify", "JOURNAL_STREAM=", "INVOCATION_ID=")
	f.must(f.cmd.Start())
	f.waitNotify("READY=1")
}

// bindFor is a bind that asks for an association group.
func bindFor(t testing.TB, group uint32) []byte {
	b := bind(t)
	binary.LittleEndian.PutUint32(b[20:], group)
	return b
}

// give hands over a client that has sent a bind for group.
func (l *live) give(c *client, t layout.Transport, binding string, group uint32) {
	l.t.Helper()
	m := handoff.Message{FragLength: uint16(len(bindFor(l.t, group))), AssocGroup: group, Binding: []byte(binding)}
	sent := bindFor(l.t, group)
	if t.Framed() {
		sent = framed(sent)
		name := map[uint32]string{7: "samba-4.17.npa_request.5.rpcd_winreg.bin", 8: "samba-4.22.npa_request.5.rpcd_winreg.bin"}[l.layout.NPALevel]
		m.NPALevel, m.NPA = l.layout.NPALevel, vector(l.t, name)[16:]
	}
	c.Write(sent)
	c.give(m)
}

// answer reads a PDU: its type, and the group of a bind_ack.
func (l *live) answer(c *client, t layout.Transport) (ptype byte, group uint32) {
	l.t.Helper()
	var b [4096]byte
	if t.Framed() {
		_, err := io.ReadFull(c, b[:2])
		l.must(err)
	}
	if _, err := io.ReadFull(c, b[:16]); err != nil {
		l.t.Fatalf("no answer: %v\n%s", err, l.output.String())
	}
	_, err := io.ReadFull(c, b[16:binary.LittleEndian.Uint16(b[8:])])
	l.must(err)
	return b[2], binary.LittleEndian.Uint32(b[20:])
}

const bindAck, bindNak = 12, 13

func TestLiveRpcdServesEveryTransport(t *testing.T) {
	l := newLive(t)
	l.start()
	for _, tr := range layout.Transports {
		l.run(string(tr), func(t *testing.T) {
			open := func() (*client, string) {
				c := l.connect(tr, map[layout.Transport]string{layout.NP: "winreg", layout.Ncalrpc: "rpcd_winreg"}[tr])
				return c, map[layout.Transport]string{
					layout.NP: `ncacn_np:[\pipe\winreg]`, layout.Ncalrpc: "ncalrpc:[rpcd_winreg]",
					layout.TCP: "ncacn_ip_tcp:[" + strconv.Itoa(int(c.addr.Port())) + "]",
				}[tr]
			}
			a, binding := open()
			l.give(a, tr, binding, 0)
			typ, group := l.answer(a, tr)
			if typ != bindAck || group>>(32-l.layout.IndexBits) != fixtureIndex {
				t.Fatalf("PDU type %d, group %#x; want a bind_ack and a group of worker %d\n%s", typ, group, fixtureIndex, l.output.String())
			}
			b, binding := open()
			l.give(b, tr, binding, group)
			if typ, again := l.answer(b, tr); typ != bindAck || again != group {
				t.Errorf("PDU type %d, group %#x; want group %#x joined", typ, again, group)
			}
			c, binding := open()
			l.give(c, tr, binding, group+7)
			if typ, _ := l.answer(c, tr); typ != bindNak {
				t.Errorf("PDU type %d for a group that does not exist, want a bind_nak", typ)
			}
		})
	}
	l.must(l.cmd.Process.Signal(unix.SIGHUP))
	l.must(l.cmd.Process.Signal(unix.SIGTERM))
	if code := l.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, l.output.String())
	}
}

func TestLiveCountsAndIdleExit(t *testing.T) {
	l := newLive(t)
	l.extra = append(l.extra, "MSRPC_IDLE_SEC=1")
	l.start()
	var clients []*client
	for range 40 {
		c := l.connect(layout.Ncalrpc, "rpcd_winreg")
		l.give(c, layout.Ncalrpc, "ncalrpc:[rpcd_winreg]", 0)
		clients = append(clients, c)
	}
	for _, c := range clients {
		if typ, _ := l.answer(c, layout.Ncalrpc); typ != bindAck {
			t.Fatalf("PDU type %d", typ)
		}
	}
	l.waitNotify("connections: 40")
	for _, c := range clients[:30] {
		c.Close()
	}
	l.waitNotify("connections: 10")
	if l.layout.StatusSize == 16 && l.line().Groups.Load() != 10 {
		t.Errorf("%d groups, want 10", l.line().Groups.Load())
	}
	private := privateMemory(t, l.cmd.Process.Pid)
	t.Logf("private memory of the adaptor: %d KiB", private>>10)
	if private > 3<<19 {
		t.Errorf("adaptor has %d bytes of private memory, at most 1.5 MiB are allowed", private)
	}
	for _, c := range clients[30:] {
		c.Close()
	}
	if code := l.wait(); code != 0 || l.counts() != "received 40 closed 40" {
		t.Errorf("exit code %d, %s\n%s", code, l.counts(), l.output.String())
	}
	left, err := filepath.Glob(os.Getenv("MSRPC_TEST_SAMBA_ROOT") + l.dir + "/lock/msg.*/*")
	if err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// privateMemory is the memory that a process has for itself alone. The pages of
// its program do not count: all workers share them.
func privateMemory(t *testing.T, pid int) (sum int) {
	t.Helper()
	b := check.File(t, fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "Anonymous:" {
			kb, err := strconv.Atoi(f[1])
			check.OK(t, err)
			sum += kb << 10
		}
	}
	return sum
}
