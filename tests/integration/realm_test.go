// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// This file owns a realm of MIT Kerberos. Its KDC and its clients are programs of the
// machine that runs the tests, in the network of a box: so they are the same whatever
// is in the box.

const (
	mitRealm  = "TEST.EXAMPLE"
	echoPeers = "host/server.test.example"
)

// keytabTypes are the encryption types of the keys of a service each.
var keytabTypes = map[int]string{17: "aes128-cts", 18: "aes256-cts", 19: "aes128-sha2", 20: "aes256-sha2", 23: "arcfour-hmac"}

type mit struct {
	h   *host
	dir string
	env []string
}

// kdc starts the KDC of a realm with user1, and a service for each encryption type.
func (h *host) kdc() *mit {
	h.t.Helper()
	if _, err := exec.LookPath("krb5kdc"); err != nil {
		h.t.Skip("install krb5-kdc, krb5-admin-server and krb5-user on this machine for this test")
	}
	m := &mit{h: h, dir: h.t.TempDir()}
	write := func(name, text string) string {
		path := filepath.Join(m.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
		return path
	}
	conf := write("krb5.conf", "[libdefaults]\ndefault_realm = "+mitRealm+"\ndns_lookup_kdc = false\ndns_lookup_realm = false\n"+
		"dns_canonicalize_hostname = false\nrdns = false\nallow_weak_crypto = true\nallow_rc4 = true\n"+
		"permitted_enctypes = aes aes256-sha2 aes128-sha2 rc4\n[realms]\n"+mitRealm+" = {\nkdc = 127.0.0.1\n}\n")
	kdc := write("kdc.conf", "[kdcdefaults]\nkdc_listen = 127.0.0.1:88\nkdc_tcp_listen = 127.0.0.1:88\n[realms]\n"+mitRealm+" = {\n"+
		"database_name = "+m.dir+"/principal\nkey_stash_file = "+m.dir+"/stash\nacl_file = "+m.dir+"/acl\n"+
		"supported_enctypes = aes256-cts:normal aes128-cts:normal\n}\n")
	m.env = append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5_KDC_PROFILE="+kdc, "KRB5CCNAME="+m.dir+"/cc")
	m.run("", "kdb5_util", "create", "-s", "-r", mitRealm, "-P", "master")
	script := "addprinc -pw " + password + " user1\n"
	for etype, name := range keytabTypes {
		service := fmt.Sprint(echoPeers, etype)
		script += fmt.Sprintf("addprinc -randkey -e %s:normal %s\nsetstr %[2]s session_enctypes %[1]s\nktadd -k %[3]s/keytab -norandkey %[2]s\n", name, service, m.dir)
	}
	m.run(script, "kadmin.local")
	server := m.command("krb5kdc", "-n")
	if err := server.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	h.eventually(func() error {
		cmd := m.command("kinit", "user1")
		cmd.Stdin = strings.NewReader(password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("kinit: %w: %s", err, out)
		}
		return nil
	})
	return m
}

// command is one of this machine's in the network of the box.
func (m *mit) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.h.t.Context(), "nsenter", append([]string{"-t", strconv.Itoa(m.h.PID()), "-n", "--"}, args...)...)
	cmd.Env = m.env
	return cmd
}

func (m *mit) run(input string, args ...string) string {
	m.h.t.Helper()
	cmd := m.command(args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.h.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// asks runs a client of testdata and returns its answer to each spec.
func (m *mit) asks(client string, args ...string) map[string]string {
	m.h.t.Helper()
	answers := map[string]string{}
	for line := range strings.Lines(m.run("", append([]string{"/usr/bin/python3", "testdata/" + client}, args...)...)) {
		if spec, answer, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			answers[spec] = answer
		}
	}
	return answers
}

// keytab gives msrpc-auth what the KDC wrote into a file.
func (m *mit) keytab(name string) {
	m.h.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.h.t.Fatal(err)
	}
	m.h.MustWrite(m.h.t, "/etc/krb5.keytab", string(b))
}
