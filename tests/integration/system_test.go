// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

// Samba's programs authenticate themselves over ncalrpc as the local system, and
// insist on it.

// session is an rpcclient that is told what to do while it runs.
type session struct {
	h     *host
	input io.Writer
	mu    sync.Mutex
	out   bytes.Buffer
}

func (s *session) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (h *host) session(binding string) *session {
	h.t.Helper()
	s := &session{h: h}
	cmd := h.Command(context.Background(), "rpcclient", binding)
	cmd.Stdout, cmd.Stderr = s, s
	var err error
	if s.input, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	check.OK(h.t, err)
	return s
}

// says gives it a command and waits until its answer has that text.
func (s *session) says(command, text string) {
	s.h.t.Helper()
	s.mu.Lock()
	before := s.out.Len()
	s.mu.Unlock()
	fmt.Fprintln(s.input, command)
	s.h.eventually(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := s.out.String()[before:]; !strings.Contains(got, text) {
			return fmt.Errorf("%s answers %q, want %q", command, got, text)
		}
		return nil
	})
}

func TestRpcclientOfRootIsTheLocalSystem(t *testing.T) {
	for name, settings := range map[string]string{"direct": "", "broker": "Activation=broker\nWorkers=1\n"} {
		t.Run(name, func(t *testing.T) {
			h := echo(t, settings)
			h.contains(h.run("rpcclient", "ncalrpc:", "-c", "epmmap"), `ncacn_np:[\pipe\lsarpc`)
			want, got := h.served(), []string{}
			for _, m := range lookedUp.FindAllStringSubmatch(h.run("rpcclient", "ncalrpc:", "-c", "epmlookup"), -1) {
				if m[4] != echoID {
					got = append(got, m[4]+" "+m[1]+":["+m[3]+"]")
				}
			}
			if d := cmp.Diff(want, distinct(got)); d != "" {
				t.Errorf("catalogue (-) and mapper (+) differ:\n%s", d)
			}
			for command, answer := range map[string]string{
				"echoaddone 41": "41 + 1 = 42", "echodata 100000": "", "sinkdata 100000": "", "sourcedata 100000": "",
			} {
				h.contains(h.run("rpcclient", "ncalrpc:", "-c", command), answer)
			}

			for _, command := range []string{"epmmap", "echoaddone 41"} {
				out, rc := h.try(append(slices.Clone(asNobody), "env", "HOME=/tmp", "rpcclient", "ncalrpc:", "-c", command)...)
				if rc == 0 || strings.Contains(out, "lsarpc") || strings.Contains(out, "42") {
					t.Errorf("%s as nobody: exit status %d\n%s", command, rc, out)
				}
			}
			// Who does not ask to be the system is served.
			if ping := h.ping("ncalrpc:[rpcd_rpcecho]", echoID+"/1.0"); ping.Answered == 0 {
				t.Errorf("%+v", ping)
			}
			log := h.journal("-u", "msrpc-worker-*", "-o", "cat")
			if n := strings.Count(log, "PDU refused"); n == 0 {
				t.Errorf("no message about the tries of nobody:\n%s", log)
			}
		})
	}
}

func TestTheLocalSystemStaysConnectedOverRestartAndCrash(t *testing.T) {
	h := echo(t, "")
	s := h.session("ncalrpc:")
	s.says("echoaddone 1", "1 + 1 = 2")
	h.eventually(func() error {
		if n := h.property(echoUnit, "NFileDescriptorStore"); n == "0" {
			return fmt.Errorf("nothing is stored")
		}
		return nil
	})
	n := 10
	h.ends(echoUnit, func(string) {
		s.says(fmt.Sprint("echoaddone ", n), fmt.Sprintf("%d + 1 = %d", n, n+1))
		n += 10
	})
	if line := h.statusFile("rpcecho").Worker(0); line.Received.Load() != 1 {
		t.Errorf("%d connections were made, want 1", line.Received.Load())
	}
}
