// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/host/journal"
	"msrpcd/tests/tools/check"
)

// What somebody on the host, on the network or inside a broker can reach of
// what is not his. tests/tools/forge tries.

// attempts are what nobody but its owner may do with a path.
func attempts(verbs string, paths ...string) (list []string) {
	for _, v := range strings.Fields(verbs) {
		for _, p := range paths {
			list = append(list, v+" "+p)
		}
	}
	return list
}

// refused runs forge behind a command and fails for each attempt that worked.
func (h *host) refused(as []string, tries []string) {
	h.t.Helper()
	results := map[string]string{}
	args := append(append(slices.Clone(as), "/tools/forge"), tries...)
	check.OK(h.t, json.Unmarshal([]byte(h.run(args...)), &results))
	for _, what := range slices.Sorted(maps.Keys(results)) {
		if results[what] == "" {
			h.t.Errorf("it worked: %s", what)
		}
	}
	if len(results) != len(tries) {
		h.t.Errorf("%d results of %d attempts", len(results), len(tries))
	}
}

var asNobody = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"}

// ours are directories that others could be kept out of by a file, and what is
// in them.
var (
	ourDirs  = []string{"/run/msrpc", "/run/msrpc/winreg", "/run/msrpcd", "/var/lib/msrpcd", "/run/samba/ncalrpc", "/run/samba/ncalrpc/np"}
	ourFiles = []string{"/run/msrpc/winreg/status", "/run/msrpc/winreg/inbox-0", "/var/lib/msrpcd/catalogue.db", winregPipe, winregNcalrpc}
)

func inEach(dirs []string, name string) (paths []string) {
	for _, d := range dirs {
		paths = append(paths, d+"/"+name)
	}
	return paths
}

func TestLocalUserReachesNothing(t *testing.T) {
	h := boot(t).install()
	h.load("-net", "unix", "-addr", winregNcalrpc)
	tries := attempts("connect", winregPipe)
	tries = append(tries, attempts("list", "/run/samba/ncalrpc/np", "/run/samba/msg.sock")...)
	tries = append(tries, attempts("send", "/run/msrpc/winreg/inbox-0", "/run/msrpc/winreg/inbox-1")...)
	tries = append(tries, attempts("write", "/run/msrpc/winreg/status", "/var/lib/msrpcd/catalogue.db", "/run/msrpc/winreg/inbox-0")...)
	tries = append(tries, attempts("create symlink mkdir", inEach(ourDirs, "inbox-9")...)...)
	tries = append(tries, attempts("remove rename", append(slices.Clone(ourDirs), ourFiles...)...)...)
	tries = append(tries, "lock /run/msrpc/winreg/status")
	before := h.winreg().Worker(0).Received.Load()
	h.refused(append([]string{"timeout", "60"}, asNobody...), tries)
	if now := h.winreg().Worker(0).Received.Load(); now != before {
		t.Errorf("the worker got %d datagrams", now-before)
	}
	// What he may do, as with any server: call.
	if r := parseLoad(t, h.run(append(asNobody, "bindload", "-net", "unix", "-addr", winregNcalrpc)...)); r.Conns != 1 {
		t.Errorf("an ordinary client over ncalrpc: %+v", r)
	}
}

// TestLocksOfALocalUserHinderNobody: whoever can read a file can lock it.
func TestLocksOfALocalUserHinderNobody(t *testing.T) {
	h := boot(t).install()
	before := h.listeners()
	cmd := h.Command(context.Background(), append(slices.Clone(asNobody), "/tools/forge", "lock /var/lib/msrpcd/catalogue.db", "lock /run/msrpc/winreg/status")...)
	end, err := cmd.StdinPipe()
	check.OK(t, err)
	out, err := cmd.StdoutPipe()
	check.OK(t, err)
	check.OK(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, `catalogue.db":""`) {
		t.Fatalf("no lock is held: %s, %v", line, err)
	}
	h.run("systemctl", "daemon-reload")
	h.run("msrpcctl", "refresh")
	if after := h.listeners(); !slices.Equal(before, after) {
		t.Errorf("units before %v, with the lock held %v", before, after)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-c", "5", "-n", "5"); r.Conns != 5 {
		t.Errorf("clients: %+v", r)
	}
	check.Is(t, "restarts of a worker", "0", h.property("msrpc-worker-winreg@0.service", "NRestarts"))
	end.Close()
	cmd.Wait()
}

// TestNamedPipeIdentityOfAPeerCountsNothing: a network peer, and a local one on
// ncalrpc, that speak like smbd.
func TestNamedPipeIdentityOfAPeerCountsNothing(t *testing.T) {
	h := boot(t).install()
	h.pipeClient()
	for _, args := range [][]string{{"-addr", "127.0.0.1:" + h.port("winreg")}, {"-net", "unix", "-addr", winregNcalrpc}} {
		if r := h.load(append(args, "-npa", npaRequest, "-n", "3")...); r.Conns != 0 || r.Failed != 3 {
			t.Errorf("%v: %+v", args, r)
		}
		if r := h.load(append(args, "-n", "3")...); r.Conns != 3 {
			t.Errorf("an ordinary client afterwards, %v: %+v", args, r)
		}
	}
	h.contains(h.journal("MESSAGE_ID="+journal.IDBadPDU, "-o", "cat"), "first PDU refused")
}

// TestNamedPipeSocketAsksWhoThePeerIs: modes of directory and socket are not
// all that keeps a local user from it.
func TestNamedPipeSocketAsksWhoThePeerIs(t *testing.T) {
	h := boot(t).install()
	h.sh("chmod 0755 /run/samba/ncalrpc/np; chmod 0666 " + winregPipe)
	h.pipeClient()
	r := parseLoad(t, h.run(append(asNobody, "bindload", "-net", "unix", "-addr", winregPipe, "-npa", npaRequest, "-n", "3")...))
	if r.Conns != 0 || r.Failed != 3 {
		t.Errorf("as nobody: %+v", r)
	}
	h.contains(h.journal("MESSAGE_ID="+journal.IDBadPeer, "-o", "cat"), "peer of a named pipe socket is not root")
	h.sh("chmod 0600 " + winregPipe + "; chmod 0700 /run/samba/ncalrpc/np")
	if r := h.load("-net", "unix", "-addr", winregPipe, "-npa", npaRequest, "-n", "3"); r.Conns != 3 {
		t.Errorf("as root: %+v", r)
	}
}

// TestFloodOfOnePeerKeepsNobodyOut: a network peer opens whatever it can, and
// says nothing or garbage.
func TestFloodOfOnePeerKeepsNobodyOut(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/msrpcd.conf", "[Msrpcd]\nMaxUnbound=500\n")).install()
	addr := "127.0.0.1:" + h.port("winreg")
	flood := h.Command(context.Background(), "bindload", "-addr", addr, "-n", "1500", "-silent")
	input, err := flood.StdinPipe()
	check.OK(t, err)
	out, err := flood.StdoutPipe()
	check.OK(t, err)
	check.OK(t, flood.Start())
	said := bufio.NewReader(out)
	if _, err := said.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	h.eventually(func() error {
		if n := h.winreg().Broker().Pending.Load(); n < 400 {
			return fmt.Errorf("%d wait", n)
		}
		return nil
	})
	for range 50 {
		c := h.dial(winregNcalrpc)
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	}
	if r := h.load("-addr", addr, "-c", "4", "-n", "100"); r.Conns != 100 {
		t.Errorf("who talks meanwhile: %+v", r)
	}
	if n := h.winreg().Broker().Pending.Load(); n > 500 {
		t.Errorf("%d wait, more than the limit", n)
	}
	fmt.Fprintln(input)
	io.Copy(io.Discard, said)
	flood.Wait()
}
