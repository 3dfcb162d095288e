// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
	"msrpcd/tests/tools/check"
)

// stopJournald stops journald and fills its queue; the function that is returned
// lets it go on. Each sender has a buffer of its own, so that it takes some to
// fill the queue that all share.
func (h *host) stopJournald() (goOn func()) {
	h.t.Helper()
	pid := h.property("systemd-journald.service", "MainPID")
	h.run("kill", "-STOP", pid)
	path := h.Path("/run/systemd/journal/socket")
	for range 40 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		check.OK(h.t, err)
		defer unix.Close(fd)
		for err == nil {
			err = unix.Sendto(fd, []byte("MESSAGE=fill\n"), 0, &unix.SockaddrUnix{Name: path})
		}
		if err != unix.EAGAIN {
			h.t.Fatal(err)
		}
	}
	return func() { h.run("kill", "-CONT", pid) }
}

// sayTo says all of firstPDUs to a TCP port of the box, each on a connection of
// its own.
func (h *host) sayTo(port string) {
	h.t.Helper()
	var script strings.Builder
	for _, p := range firstPDUs() {
		pdu := winregBind(0)
		p.change(pdu)
		fmt.Fprintf(&script, "exec 3<>/dev/tcp/%s; printf '", port)
		for _, b := range pdu {
			fmt.Fprintf(&script, "\\x%02x", b)
		}
		script.WriteString("' >&3; timeout 0.2 head -c 24 <&3 >/tmp/answer || :\n")
	}
	h.run("bash", "-c", script.String())
}

// TestJournalThatHangsHoldsUpNobody: brokers, adaptors and native rpcds serve on
// while each of them has things to log, start and exit, and the journal is told
// how many messages it missed.
func TestJournalThatHangsHoldsUpNobody(t *testing.T) {
	h := boot(t, winregWith("", "Workers=2\n")).install()
	mapper := []string{"-net", "unix", "-addr", "/run/samba/ncalrpc/EPMAPPER", "-iface", "e1af8308-5d1f-11c9-91a4-08002b14a0fa", "-major", "3"}
	served := func(when string) {
		t.Helper()
		h.atOnce("-c", "4")
		if r := h.load(append(mapper, "-c", "4", "-n", "50")...); r.Conns != 50 || r.Max > int64(time.Second/time.Microsecond) {
			t.Errorf("%s: clients of the mapper: %+v", when, r)
		}
	}
	served("before")
	goOn := h.stopJournald()
	served("while the journal hangs")
	// A stop and a start log, too.
	h.run("systemctl", "restart", "msrpc-broker@winreg.service", "msrpc-worker-epmapper@0.service", "msrpc-worker-winreg@0.service")
	served("after restarts")
	for _, path := range []string{winregNcalrpc, "/run/samba/ncalrpc/EPMAPPER"} {
		for _, p := range firstPDUs() {
			pdu := winregBind(0)
			p.change(pdu)
			h.firstOutcome(path, pdu)
		}
	}
	h.sayTo("127.0.0.1/135")
	served("after bad PDUs")
	goOn()
	h.eventually(func() error {
		text := h.journal("MESSAGE_ID="+journal.IDMessagesDropped, "-o", "cat")
		if m := regexp.MustCompile(`(?m)^\d+ messages were dropped`).FindAllString(text, -1); len(m) == 0 {
			return fmt.Errorf("nothing says how many messages were dropped: %q", text)
		}
		return nil
	})
	h.eventually(func() error {
		text := h.journal("MESSAGE_ID="+journal.IDBadPDU, "-o", "cat", "-u", "msrpc-broker@winreg.service")
		if !strings.Contains(text, "first PDU refused") {
			return fmt.Errorf("what the queue had room for is not in the journal: %q", text)
		}
		return nil
	})
	served("when the journal reads again")
}
