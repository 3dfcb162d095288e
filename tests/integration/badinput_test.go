// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// rpcdScript is an rpcd that lists whatever the shell commands print.
func rpcdScript(name, commands string) func(*sandboxOptions) {
	return func(o *sandboxOptions) {
		file("/opt/rpcd/rpcd_"+name, "#!/bin/sh\n"+commands+"\n")(o)
		file("/etc/msrpcd/rpcd.d/"+name+".conf", "[Rpcd]\nExec=/opt/rpcd/rpcd_"+name+"\n")(o)
	}
}

const listingHead = `printf '5\n60\n338cd001-2244-31f1-aaaa-900038001099/0x00000001 bad\n`

func TestBadListings(t *testing.T) {
	bad := map[string]string{ // name -> what it does
		"empty":     "true",
		"truncated": "printf '5\\n60\\n338cd001-2244-31f1'",
		"endless":   "yes 338cd001-2244-31f1-aaaa-900038001099/0x00000001",
		"binary":    "head -c 1000 /dev/urandom",
		"slow":      "exec sleep 60",
		"fails":     listingHead + " ncalrpc:\\n'; exit 3",
		"dotdot":    listingHead + " ncacn_np:[\\\\pipe\\\\..]\\n'",
		"percent":   listingHead + " ncacn_np:[\\\\pipe\\\\a%%n]\\n'",
		"newline":   "printf '5\\n60\\n338cd001-2244-31f1-aaaa-900038001099/0x00000001 a\\rb\\n'",
		"workers":   "printf '99999999\\n60\\n'",
	}
	change := []func(*sandboxOptions){
		// A healthy one that claims a pipe of rpcd_winreg.
		rpcdScript("zclaims", listingHead+" ncacn_np:[\\\\pipe\\\\winreg]\\n ncalrpc:[zclaims]\\n'"),
	}
	for name, commands := range bad {
		change = append(change, rpcdScript(name, commands))
	}
	h := boot(t, change...)
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	start := time.Now()
	out, _ := h.try("msrpcctl", "refresh")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("refresh took %v", took)
	}
	h.run("systemctl", "start", "msrpc.target")
	said := out + h.journal("-o", "cat")
	for name := range bad {
		if !strings.Contains(said, name) {
			t.Errorf("nothing is said of rpcd_%s:\n%s", name, out)
		}
		if left := h.active("msrpc-*-" + name + ".socket"); len(left) > 0 {
			t.Errorf("units for rpcd_%s: %v", name, left)
		}
	}
	if !strings.Contains(said, "zclaims") || !strings.Contains(said, "winreg") {
		t.Errorf("the conflict is not reported:\n%s", out)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-c", "4", "-n", "20"); r.Conns != 20 {
		t.Errorf("winreg beside bad rpcds: %+v", r)
	}
	if len(h.active("msrpc-ncalrpc-zclaims.socket")) != 1 || len(h.active("msrpc-np-zclaims.socket")) != 0 {
		t.Error("the rpcd that claims another's pipe must keep what is its own, and only that")
	}
}

func TestListingThatFailsKeepsTheLastGoodOne(t *testing.T) {
	h := boot(t, rpcdScript("own", listingHead+" ncalrpc:[own]\\n'")).install()
	if len(h.active("msrpc-ncalrpc-own.socket")) != 1 {
		t.Fatal("the listener is not there")
	}
	h.MustWrite(t, "/opt/rpcd/rpcd_own", "#!/bin/sh\nexit 1\n")
	out, _ := h.try("msrpcctl", "refresh")
	h.contains(out, "own")
	if len(h.active("msrpc-ncalrpc-own.socket")) != 1 {
		t.Error("the listener of the last good listing went")
	}
}

func TestBadConfiguration(t *testing.T) {
	h := boot(t,
		file("/etc/msrpcd/msrpcd.conf", "[Msrpcd]\nNoSuchKey=1\n"),
		file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=70000\nColour=blue\n")).install()
	said := h.journal("-o", "cat") + h.run("msrpcctl", "refresh")
	for _, want := range []string{"NoSuchKey", "70000", "Colour"} {
		h.contains(said, want)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("winreg: %+v", r)
	}
}

func TestTakenPortIsToldAndOthersServe(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=445\n")).smbd()
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	out, _ := h.try("msrpcctl", "refresh")
	_, _ = h.try("systemctl", "start", "msrpc.target")
	verify, rc := h.try("msrpcctl", "verify")
	check.Is(t, "msrpcctl verify: exit status", 1, rc)
	h.contains(out+verify, "445")
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("winreg over ncalrpc: %+v", r)
	}
}

func TestHelpersOnDemandAreRefused(t *testing.T) {
	h := boot(t, func(o *sandboxOptions) {
		o.Files["/etc/samba/smb.conf"] = strings.Replace(o.Files["/etc/samba/smb.conf"], "rpc start on demand helpers = no", "", 1)
	})
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	h.try("msrpcctl", "refresh")
	h.try("systemctl", "start", "msrpc.target")
	out, _ := h.try("systemctl", "status", "msrpc-preflight.service")
	h.contains(out+h.journal("-u", "msrpc-preflight.service", "-o", "cat"), "rpc start on demand helpers = no")
	if left := h.active("msrpc-np-*.socket"); len(left) > 0 {
		t.Errorf("named pipes although smbd would take them away: %v", left)
	}
	out, rc := h.try("msrpcctl", "verify")
	check.Is(t, "msrpcctl verify: exit status", 1, rc)
	h.contains(out, "rpc start on demand helpers = no")
}

func TestMissingSambaAndSmbConf(t *testing.T) {
	h := boot(t).install()
	h.load("-net", "unix", "-addr", winregNcalrpc) // what runs has read smb.conf
	h.run("mv", "/etc/samba/smb.conf", "/root/smb.conf")
	out, rc := h.try("msrpcctl", "refresh")
	if rc == 0 {
		t.Error("refresh without smb.conf is not a success")
	}
	h.contains(out, "/etc/samba/smb.conf")
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("winreg meanwhile: %+v", r)
	}
	h.run("mv", "/root/smb.conf", "/etc/samba/smb.conf")
	h.sh("mv $(command -v testparm) /root/testparm")
	out, rc = h.try("msrpcctl", "refresh")
	if rc == 0 {
		t.Error("refresh without testparm is not a success")
	}
	h.contains(out, "testparm")
}

func TestMissingRpcdIsToldAndItsClientWaits(t *testing.T) {
	h := boot(t).install()
	rpcd := strings.TrimSpace(h.sh("ls /usr/libexec/samba/rpcd_winreg /usr/lib/*/samba/rpcd_winreg 2>/dev/null | head -n 1"))
	h.run("systemctl", "stop", "msrpc-refresh.path") // it would notice and end the service
	h.run("mv", rpcd, "/root/rpcd_winreg")
	c := h.dial(winregNcalrpc)
	c.Write(winregBind(0))
	h.eventually(func() error {
		if log := h.journal("-u", "msrpc-worker-winreg@0.service", "-o", "cat"); !strings.Contains(log, rpcd) {
			return fmt.Errorf("the journal does not name %s:\n%s", rpcd, log)
		}
		return nil
	})
	h.run("mv", "/root/rpcd_winreg", rpcd)
	if b, err := answer(c); err != nil || b[2] != 12 {
		t.Errorf("the waiting client reads %x, %v", b, err)
	}
}

func TestWorkerThatDiesAtStart(t *testing.T) {
	h := boot(t, rpcdScript("dies", `case "$*" in *--list-interfaces*) `+listingHead+` ncalrpc:[dies]\n';; *) exit 7;; esac`)).install()
	c := h.dial("/run/samba/ncalrpc/dies")
	c.Write(winregBind(0))
	h.eventually(func() error {
		log := h.journal("-u", "msrpc-worker-dies@0.service", "-o", "cat")
		if !strings.Contains(log, "rpcd_dies") {
			return fmt.Errorf("the journal does not say that rpcd_dies ended:\n%s", log)
		}
		return nil
	})
	// The client waits and is served once the rpcd is mended.
	h.sh("cp $(ls /usr/libexec/samba/rpcd_winreg /usr/lib/*/samba/rpcd_winreg 2>/dev/null | head -n 1) /root/w; mv /root/w /opt/rpcd/rpcd_dies")
	if b, err := answer(c); err != nil || b[2] != 12 && b[2] != 13 {
		t.Errorf("the waiting client reads %x, %v", b, err)
	}
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("winreg: %+v", r)
	}
}

// hostilePDUs are first PDUs of which many abort a stock Samba worker. What is
// true: the connection is answered with a bind_nak or closed; what is false:
// it is served.
func TestHostileFirstPDUsHarmNobody(t *testing.T) {
	h := boot(t, oneWorker).install()
	held := h.dial(winregNcalrpc)
	group := bindOn(t, held)
	child := h.statusFile("winreg").Worker(0).ChildPID.Load()
	mod := func(f func(b []byte)) []byte {
		b := winregBind(0)
		f(b)
		return b
	}
	for name, send := range map[string][]byte{
		"HTTP":                           []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"half a header":                  winregBind(0)[:9],
		"frag_length shorter than bind":  mod(func(b []byte) { b[8] = 30 }),
		"frag_length 0":                  mod(func(b []byte) { b[8] = 0 }),
		"contexts beyond the PDU":        mod(func(b []byte) { b[24] = 200 }),
		"syntaxes beyond the PDU":        mod(func(b []byte) { b[30] = 200 }),
		"auth_length beyond the PDU":     mod(func(b []byte) { b[10], b[11] = 0xff, 0xff }),
		"unknown ptype":                  mod(func(b []byte) { b[2] = 77 }),
		"a response":                     mod(func(b []byte) { b[2] = 2 }),
		"version 4":                      mod(func(b []byte) { b[0] = 4 }),
		"64 KiB of rubbish after a bind": append(mod(func(b []byte) { b[8], b[9] = 0xff, 0xff; b[24] = 255 }), make([]byte, 65463)...),
	} {
		c := h.dial(winregNcalrpc)
		c.Write(send)
		if strings.HasPrefix(name, "half") {
			c.Close()
			continue
		}
		b, err := io.ReadAll(c)
		if os.IsTimeout(err) || len(b) > 0 && b[2] == 12 {
			t.Errorf("%s: answer %x, %v", name, b, err)
		}
	}
	if got := h.statusFile("winreg").Worker(0).ChildPID.Load(); got != child {
		t.Errorf("the rpcd was %d and is %d: it died", child, got)
	}
	if got := bindTo(t, h.dial(winregNcalrpc), group); got != group {
		t.Errorf("group %#x is gone, got %#x", group, got)
	}
	big := h.dial(winregNcalrpc)
	big.Write(bigEndianBind())
	if b, err := answer(big); err != nil || b[2] != 12 {
		t.Errorf("big-endian bind: %x, %v", b, err)
	}
	slow := h.dial(winregNcalrpc)
	for _, x := range winregBind(0) {
		slow.Write([]byte{x})
	}
	if b, err := answer(slow); err != nil || b[2] != 12 {
		t.Errorf("bind in single bytes: %x, %v", b, err)
	}
	log := h.journal("-u", "msrpc-broker@winreg.service", "-o", "cat")
	h.contains(log, "first PDU refused")
}

func TestHostileNamedPipeRequests(t *testing.T) {
	h := boot(t).install()
	request := vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
	unknown := append([]byte{}, request...)
	unknown[8], unknown[12] = 99, 99
	for name, send := range map[string][]byte{
		"too long":      {0xff, 0xff, 0xff, 0xff, 'N', 'P', 'A', 'M'},
		"long":          {0x00, 0x7f, 0xff, 0xff, 'N', 'P', 'A', 'M', 8, 0, 0, 0, 8, 0, 0, 0},
		"unknown level": unknown,
		"rubbish":       []byte("hello, is this a pipe?"),
	} {
		c := h.dial(winregPipe)
		c.Write(send)
		b, err := io.ReadAll(c)
		if os.IsTimeout(err) || len(b) != 0 && (len(b) != 20 || name != "unknown level") {
			t.Errorf("%s: answer %x, %v", name, b, err)
		}
	}
	h.contains(h.journal("-u", "msrpc-broker@winreg.service", "-o", "cat"), "named pipe auth refused")
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("winreg: %+v", r)
	}
}
