// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// A program that is started by hand offers all its interfaces wherever it listens,
// whatever endpoints they have.
func TestProgramStartedByHandServes(t *testing.T) {
	loopback.Need(t)
	var listen addresses
	for _, text := range []string{"tcp:127.0.0.1:0", "ncalrpc:" + filepath.Join(t.TempDir(), "X")} {
		must(t, listen.Set(text))
	}
	for _, text := range []string{"", "135", "np:x", "udp:127.0.0.1:0"} {
		if new(addresses).Set(text) == nil {
			t.Errorf("--listen %q is accepted", text)
		}
	}
	var out bytes.Buffer
	fds, err := listen.open(&out)
	must(t, err)
	r := newRig(t)
	r.srv.Interfaces[1].Bindings = nil
	l, err := newLoop(r.srv, setting.Values{IndexBits: 16}, slog.New(slog.DiscardHandler))
	must(t, err)
	l.byHand = true
	must(t, l.takeListeners(fds))
	r.loop = l
	go func() { r.done <- l.run() }()
	t.Cleanup(r.stop)
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		network, address, _ := strings.Cut(strings.TrimPrefix(line, "listening on "), ":")
		network = map[string]string{"tcp": "tcp", "ncalrpc": "unix"}[network]
		conn := check.Dial(t, network, address)
		c := &client{Conn: conn, t: t, max: dcerpc.FragSizeTCP, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
		if got := results(t, c.exchange(c.bind(0, presentTest, presentOther))); got[0] != dcerpc.Accept(dcerpc.NDR) || got[1] != got[0] {
			t.Errorf("%s: %v", line, got)
		}
		c.works()
	}
	if n := len(l.endpoints); n != 2 || l.endpoints[0].Transport != layout.TCP {
		t.Errorf("%d endpoints: %v", n, l.endpoints)
	}
}
