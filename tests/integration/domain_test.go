// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file owns an Active Directory domain: a controller that Samba's own
// tool provisions, and a member that joins it over a link between the boxes.

const (
	realm      = "AD.EXAMPLE.COM"
	domainName = "ADDOM"
	admin      = "Administrator%" + password + "-admin"
	dcAddress  = "192.0.2.10"

	memberAddress = "192.0.2.20"
	memberName    = "member1.ad.example.com"
)

// domainCommands is what clients ask hosts of a domain for.
var domainCommands = [][]string{
	{"smbclient", "-L", "127.0.0.1", "-U", admin},
	domainRPC("srvinfo"), domainRPC("netshareenumall"), domainRPC("wkssvc_wkstagetinfo"),
	domainRPC("enumdomusers"), domainRPC("querydominfo"), domainRPC("lookupnames " + domainName + `\Administrator`),
	domainRPC("dsroledominfo"), domainRPC("enumprinters"), domainRPC("lsaquery"),
	{"net", "rpc", "registry", "enumerate", `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "-S", "127.0.0.1", "-U", admin},
	{"net", "rpc", "service", "list", "-S", "127.0.0.1", "-U", admin},
}

func domainRPC(command string) []string {
	return []string{"rpcclient", "127.0.0.1", "-U", admin, "-c", command}
}

// answersOf are the outputs of domainCommands.
func (h *host) answersOf() map[string]string {
	h.t.Helper()
	got := map[string]string{}
	for _, c := range domainCommands {
		out, rc := h.try(c...)
		got[strings.Join(c, " ")] = fmt.Sprintf("%sexit status %d\n", steady(out), rc)
	}
	return got
}

// agree compares what clients see with samba-dcerpcd and with msrpcd.
func agree(t *testing.T, stock, ours map[string]string) {
	t.Helper()
	if d := cmp.Diff(stock, ours); d != "" {
		t.Errorf("samba-dcerpcd (-) and msrpcd (+) differ:\n%s", d)
	}
	for command, part := range map[string]string{"smbclient -L": "IPC$", "srvinfo": "platform_id", "registry": "Keyname"} {
		found := false
		for c, out := range ours {
			found = found || strings.Contains(c, command) && strings.Contains(out, part)
		}
		if !found {
			t.Errorf("%s shows no %q:\n%q", command, part, ours)
		}
	}
}

// handOver lets msrpcd serve what smbd's samba-dcerpcd has served until now.
func (h *host) handOver(service string) {
	h.t.Helper()
	h.sh("sed -i 's/^\\[global\\]/&\\n\\trpc start on demand helpers = no/' /etc/samba/smb.conf")
	h.run("systemctl", "stop", service)
	h.install()
	h.run("systemctl", "start", service)
}

func TestADomainIsServedAsWithStock(t *testing.T) {
	dc := boot(t, func(o *sandboxOptions) {
		delete(o.Files, "/etc/samba/smb.conf")
		o.Hostname, o.Addresses = "dc1", []string{dcAddress + "/24"}
		o.Setup += "rm -f /etc/samba/smb.conf\n"
	})
	if _, err := os.Stat(dc.Path("/usr/share/samba/setup")); err != nil {
		t.Skip("install samba-ad-dc and samba-ad-provision in the root for this test")
	}
	dc.run("samba-tool", "domain", "provision", "--realm="+realm, "--domain="+domainName, "--adminpass="+strings.TrimPrefix(admin, "Administrator%"),
		"--server-role=dc", "--dns-backend=SAMBA_INTERNAL", "--host-ip="+dcAddress, "--host-name=dc1")
	dc.sh("echo nameserver " + dcAddress + " >/etc/resolv.conf; cp /var/lib/samba/private/krb5.conf /etc/krb5.conf")
	dc.run("systemctl", "start", "samba-ad-dc.service")
	dc.answers()
	stock := dc.answersOf()
	dc.handOver("samba-ad-dc.service")
	dc.answers()

	t.Run("controller", func(t *testing.T) { dc.isServedAsController(t, stock) })
	t.Run("member", dc.hasAMember)
}

// isServedAsController shows a controller whose rpcds are msrpcd's.
func (h *host) isServedAsController(t *testing.T, stock map[string]string) {
	agree(t, stock, h.answersOf())
	ports := h.sh("ss -Hltnp")
	if strings.Contains(ports, `"systemd"`) || strings.Contains(ports, "rpcd") || !strings.Contains(ports, ":135 ") {
		t.Errorf("ports of ours, or none of samba(8) for the endpoint mapper:\n%s", ports)
	}
	h.servedByMsrpcd(t)
	h.contains(h.run("msrpcctl", "endpoints", dcAddress), "drsuapi") // Samba's mapper has the port
	h.MustWrite(t, "/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nTransports=np tcp\n")
	h.run("msrpcctl", "refresh")
	if r := h.load("-addr", dcAddress+":"+h.port("winreg")); r.Conns != 1 {
		t.Errorf("TCP that is set: %+v", r)
	}
	h.run("rm", "/etc/msrpcd/rpcd.d/winreg.conf")
	h.run("msrpcctl", "refresh")
	if units := h.active("msrpc-tcp-*.socket"); len(units) > 0 {
		t.Errorf("listeners on TCP that are not set any more: %v", units)
	}
}

// hasAMember boots a member that joins the domain, and shows it.
func (h *host) hasAMember(t *testing.T) {
	r := read(t)
	member := boot(t, append(r.files, func(o *sandboxOptions) {
		o.Hostname = "member1"
		o.Setup += "echo " + echoPort + " >/proc/sys/net/ipv4/ip_local_reserved_ports\n" // no client's own
		o.Files["/etc/krb5.conf"] = "[libdefaults]\n\tdefault_realm = " + realm + "\n"
		o.Files["/etc/resolv.conf"] = "nameserver " + dcAddress + "\n"
		o.Files["/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf"] = "[Rpcd]\nTransports=np tcp ncalrpc\nPort=" + echoPort + "\n"
		o.Files["/etc/samba/smb.conf"] = "[global]\n\trpc start on demand helpers = no\n\tnetbios name = MEMBER1\n\tworkgroup = " + domainName + "\n\trealm = " + realm + "\n\tsecurity = ads\n\tkerberos method = secrets and keytab\n" +
			"\tidmap config * : range = 100000-199999\n\tidmap config * : backend = tdb\n\tlog file = /var/log/samba/log.%m\n\tprinting = bsd\n\tprintcap name = /dev/null\n\n[public]\n\tpath = /srv/public\n"
	})...)
	link(t, h, member, memberAddress+"/24")
	for _, box := range []*host{h, member} {
		box.sh("echo " + memberAddress + " " + memberName + " >>/etc/hosts")
	}
	member.run("net", "ads", "join", "-U", admin, "--no-dns-updates")
	member.stockServer()
	member.run("systemctl", "start", "winbind.service", "smbd.service")
	member.answers()
	stock, stockMatrix, stockSuites, stockRaw := member.answersOf(), member.matrix(matrixSuites[1:]...), member.kerberosSuites(), member.rawKerberos()
	member.run("systemctl", "stop", "winbind.service", "samba-dcerpcd.service")
	member.sh("cd /src; " + r.install)
	member.handOver("smbd.service")
	member.run("systemctl", "start", "winbind.service")
	member.answers()
	agree(t, stock, member.answersOf())
	member.run("wbinfo", "-t")
	member.servedByMsrpcd(t)
	if len(member.active("msrpc-tcp-winreg.socket")) != 1 {
		t.Error("a member has no listener on TCP")
	}
	out, rc := h.try("rpcclient", memberAddress, "-U", admin, "-c", "srvinfo")
	if rc != 0 || !strings.Contains(out, "MEMBER1") {
		t.Errorf("the controller asks the member: exit status %d\n%s", rc, out)
	}
	member.authenticatesDomain(h)
	t.Run("tickets", func(t *testing.T) {
		if _, rc := h.try("sh", "-c", "command -v kinit"); rc != 0 {
			t.Skip("install krb5-user in the root for this test")
		}
		member.pingsWithKerberos(h)
	})
	t.Run("matrix", func(t *testing.T) {
		noneWorse(t, "Native rpcds by mechanism, level, transport, byte order and transfer syntax", stockMatrix, member.matrix(matrixSuites...))
	})
	t.Run("suites", func(t *testing.T) {
		noneWorse(t, "Suites of smbtorture by Kerberos, on a member", stockSuites, member.kerberosSuites())
	})
	t.Run("keys that cannot be used", func(t *testing.T) {
		in := *member
		in.t = t
		in.deniesWithWrongKeys(t)
	})
	t.Run("raw protocol", func(t *testing.T) { rawCompared(t, "Kerberos", stockRaw, member.rawKerberos()) })
	member.administratorsOfTheDomain(h)
}

// answers waits until an administrator of the domain can log in.
func (h *host) answers() {
	h.t.Helper()
	h.eventually(func() error {
		if out, rc := h.try(domainRPC("srvinfo")...); rc != 0 {
			return fmt.Errorf("exit status %d: %s", rc, out)
		}
		return nil
	})
}

// servedByMsrpcd: no samba-dcerpcd, brokers that have worked, nothing to find.
func (h *host) servedByMsrpcd(t *testing.T) {
	t.Helper()
	if out, rc := h.try("msrpcctl", "verify"); rc != 0 {
		t.Errorf("verify: exit status %d\n%s", rc, out)
	}
	if out, _ := h.try("pgrep", "-a", "samba-dcerpcd"); out != "" {
		t.Errorf("samba-dcerpcd runs: %s", out)
	}
	for _, name := range []string{"classic", "winreg", "spoolss"} {
		if len(h.active("msrpc-worker-"+name+"@*.service")) == 0 {
			t.Errorf("no worker of %s has served", name)
		}
	}
}

// link connects the box of b to the interface lan0 of a.
func link(t *testing.T, a, b *host, address string) {
	t.Helper()
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(a.PID()), "--net",
		"ip", "link", "set", "lan1", "netns", strconv.Itoa(b.PID()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip link set lan1 netns: %v\n%s", err, out)
	}
	b.run("ip", "address", "add", address, "dev", "lan1")
	b.run("ip", "link", "set", "lan1", "up")
}
