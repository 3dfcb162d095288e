// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"msrpcd/tests/vectors"
)

// This file owns the steady load of the fault tests: clients of many kinds at
// once, each of whose errors is counted.

// full says that tests/faults --full runs: more of each fault, at a higher rate.
var full = os.Getenv("MSRPCD_FAULTS") == "full"

// times is how often a fault happens.
func times(short, long int) int {
	if full {
		return long
	}
	return short
}

// clientKind is one kind of client of the load.
type clientKind struct {
	name string
	// silent: the broker waits for what it says next, on a named pipe for the
	// turn after the handshake at least. On TCP the kernel does that waiting, for
	// a second. They are counted apart.
	silent bool
	args   []string
}

const (
	npaRequest = "/tmp/npa-request"
	epmapperID = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
)

// pipeClient has a named pipe auth request, as a smbd of the version in the box
// sends it, in npaRequest. The rpcds read no other.
func (h *host) pipeClient() {
	h.t.Helper()
	version := "4.22"
	if strings.Contains(h.run("smbd", "-V"), " 4.17.") {
		version = "4.17"
	}
	request := vectors.Read(h.t, "samba/samba-"+version+".npa_request.1.rpcd_classic.bin")
	h.MustWrite(h.t, npaRequest, string(request))
}

func clientKinds(port string) []clientKind {
	tcp := []string{"-addr", "127.0.0.1:" + port}
	local := []string{"-net", "unix", "-addr", winregNcalrpc}
	pipe := []string{"-net", "unix", "-addr", winregPipe, "-npa", npaRequest}
	with := func(base []string, args ...string) []string { return append(slices.Clone(base), args...) }
	return []clientKind{
		{"tcp, at once", false, with(tcp, "-c", "16", "-rate", rate(60))},
		{"tcp, after 10 ms", false, with(tcp, "-c", "16", "-rate", rate(30), "-silence", "10ms")},
		{"tcp, after 0-2 s", true, with(tcp, "-c", "64", "-rate", rate(20), "-silence", "2s", "-random")},
		{"ncalrpc, at once", false, with(local, "-c", "8", "-rate", rate(40))},
		{"ncalrpc, after 10 ms", true, with(local, "-c", "8", "-rate", rate(10), "-silence", "10ms")},
		{"ncalrpc, byte by byte", true, with(local, "-c", "8", "-rate", rate(10), "-bytewise", "-pause", "1ms")},
		{"ncalrpc, 20 calls in 1 s", false, with(local, "-c", "8", "-rate", "1", "-session", "20", "-every", "50ms")},
		{"np, at once", true, with(pipe, "-c", "8", "-rate", rate(30), "-session", "1")},
		{"np, after 0-2 s", true, with(pipe, "-c", "32", "-rate", rate(5), "-silence", "2s", "-random", "-session", "3")},
		{"native rpcd, ncalrpc", false, []string{"-net", "unix", "-addr", echoLocal, "-c", "4", "-rate", rate(10), "-iface", echoID}},
		{"endpoint mapper, tcp", false, []string{"-addr", "127.0.0.1:135", "-c", "4", "-rate", rate(20), "-iface", epmapperID, "-major", "3"}},
	}
}

// rate is connections a second of one kind.
func rate(n int) string { return fmt.Sprint(times(n, 2*n)) }

// steadyLoad runs until end.
type steadyLoad struct {
	h     *host
	kinds []clientKind
	stop  []func()
	ended []func() loadResult
	smb   *smbLoop
	more  map[string]loadResult // of the fault's own clients
	own   uint64                // clients whose own process the fault killed
}

// steady starts the load, each kind a process of its own, and returns once
// connections flow.
func (h *host) steady() *steadyLoad {
	h.t.Helper()
	l := &steadyLoad{h: h, kinds: clientKinds(h.port("winreg")), smb: h.smbLoop(), more: map[string]loadResult{}}
	for _, k := range l.kinds {
		p, result := h.loading(append([]string{"-n", "0", "-d", "1h", "-timeout", "30s"}, k.args...)...)
		l.stop = append(l.stop, func() { p.Kill(syscall.SIGTERM) })
		l.ended = append(l.ended, result)
	}
	l.flow(100)
	return l
}

// flow returns once the broker has accepted this many more connections and
// someone has served them.
func (l *steadyLoad) flow(n uint64) {
	l.h.t.Helper()
	received := func() (sum uint64) {
		f := l.h.winreg()
		for i := range f.Len() {
			sum += f.Worker(i).Received.Load()
		}
		return sum
	}
	start := received()
	l.h.eventually(func() error {
		if now := received(); now < start+n {
			return fmt.Errorf("%d of %d connections", now-start, n)
		}
		return nil
	})
}

// end stops the load and returns the result of each kind of client.
func (l *steadyLoad) end() map[string]loadResult {
	l.h.t.Helper()
	for _, stop := range l.stop {
		stop()
	}
	all := map[string]loadResult{smbClients: l.smb.end()}
	for i, k := range l.kinds {
		all[k.name] = l.ended[i]()
	}
	maps.Copy(all, l.more)
	return all
}

// total adds up results; silent ones alone or all others.
func total(all map[string]loadResult, silent bool) (sum loadResult) {
	sum.Errors = map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if isSilent(name) != silent {
			continue
		}
		r := all[name]
		sum.Conns += r.Conns
		sum.Failed += r.Failed
		sum.Max = max(sum.Max, r.Max)
		for e, n := range r.Errors {
			sum.Errors[name+": "+e] += n
		}
	}
	return sum
}

// smbClients come through a real smbd. Between smbd's connection and their
// bind is a turn on the network, so they are silent for a moment.
const smbClients = "smbd, net rpc registry"

func isSilent(name string) bool {
	return name == smbClients || slices.ContainsFunc(clientKinds(""), func(c clientKind) bool { return c.name == name && c.silent })
}

// smbLoop is a real client of a real smbd, one run after the other.
type smbLoop struct {
	quit atomic.Bool
	done chan loadResult
}

func (h *host) smbLoop() *smbLoop {
	l := &smbLoop{done: make(chan loadResult, 1)}
	go func() {
		r := loadResult{Errors: map[string]int{}}
		for !l.quit.Load() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			start := time.Now()
			stdout, stderr, rc := h.Run(ctx, "net", "rpc", "registry", "enumerate", "HKLM", "-S", "127.0.0.1", "-U", "root%"+password)
			cancel()
			r.Max = max(r.Max, time.Since(start).Microseconds())
			if rc == 0 && strings.Contains(stdout, "SOFTWARE") {
				r.Conns++
				continue
			}
			r.Failed++
			r.Errors[strings.TrimSpace(stderr+stdout)]++
		}
		l.done <- r
	}()
	return l
}

// withoutSMB leaves out the clients that had no connection to smbd.
func withoutSMB(r loadResult) loadResult {
	for e, n := range r.Errors {
		if strings.HasPrefix(e, "Could not connect to server") {
			delete(r.Errors, e)
			r.Failed -= n
		}
	}
	return r
}

func (l *smbLoop) end() loadResult {
	l.quit.Store(true)
	return <-l.done
}
