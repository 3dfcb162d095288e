// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns tests against another implementation: MIT's GSS-API, as client,
// with a ticket that the test makes.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/asn1tools"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/asnAppTag"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

const python = "/usr/bin/python3"

// peer is a client process.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// say sends a line and returns the answer.
func (p *peer) say(kind string, parts ...[]byte) [][]byte {
	p.t.Helper()
	for _, b := range parts {
		kind += " " + text(b)
	}
	fmt.Fprintln(p.in, kind)
	return p.hear()
}

func text(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (p *peer) hear() (parts [][]byte) {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatal("the client says no more")
	}
	for _, s := range strings.Fields(p.out.Text()) {
		b, _ := base64.StdEncoding.DecodeString(s)
		parts = append(parts, b)
	}
	return parts
}

// serviceKeys is a keytab with a key of one type.
func serviceKeys(t testing.TB, etype int32) (*keytab.Keytab, []byte) {
	t.Helper()
	kt := keytab.New()
	check.OK(t, kt.AddEntry("host/server.test", "TEST", "secret", time.Now(), 3, etype))
	b, err := kt.Marshal()
	check.OK(t, err)
	return kt, b
}

// newTicket is one of user1 for the service, for an hour, or what change makes of it.
func newTicket(t testing.TB, kt *keytab.Keytab, client, service types.PrincipalName, etype int32, from time.Time, change ...func(*messages.EncTicketPart)) (messages.Ticket, types.EncryptionKey) {
	t.Helper()
	session := types.EncryptionKey{KeyType: etype, KeyValue: make([]byte, keySizes[etype])}
	random(session.KeyValue)
	part := messages.EncTicketPart{Flags: types.NewKrbFlags(), Key: session, CRealm: "TEST", CName: client, AuthTime: from, StartTime: from, EndTime: from.Add(time.Hour)}
	for _, f := range change {
		f(&part)
	}
	b, err := asn1.Marshal(part)
	check.OK(t, err)
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(b, asnAppTag.EncTicketPart), kt.Entries[0].Key, keyusage.KDC_REP_TICKET, 3)
	check.OK(t, err)
	return messages.Ticket{TktVNO: 5, Realm: "TEST", SName: service, EncPart: sealed}, session
}

// credentialCache writes a cache with a ticket for the service.
func credentialCache(t testing.TB, path string, kt *keytab.Keytab, etype int32, from time.Time) {
	t.Helper()
	client, service := types.NewPrincipalName(1, "user1"), types.NewPrincipalName(1, "host/server.test")
	until := from.Add(time.Hour)
	ticket, session := newTicket(t, kt, client, service, etype, from)
	der, err := ticket.Marshal()
	check.OK(t, err)
	data := func(b, v []byte) []byte { return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) }
	principal := func(b []byte, p types.PrincipalName) []byte {
		b = binary.BigEndian.AppendUint32(b, 1)
		b = data(binary.BigEndian.AppendUint32(b, uint32(len(p.NameString))), []byte("TEST"))
		for _, s := range p.NameString {
			b = data(b, []byte(s))
		}
		return b
	}
	b := principal([]byte{5, 4, 0, 0}, client)
	b = principal(principal(b, client), service)
	b = data(binary.BigEndian.AppendUint16(b, uint16(session.KeyType)), session.KeyValue)
	for range 2 {
		b = binary.BigEndian.AppendUint32(b, uint32(from.Unix()))
	}
	for range 2 {
		b = binary.BigEndian.AppendUint32(b, uint32(until.Unix()))
	}
	b = append(b, make([]byte, 1+4+4+4)...)
	b = data(data(b, der), nil)
	check.OK(t, os.WriteFile(path, b, 0o600))
}

// newPeer starts a client with a ticket for a service whose keytab it returns.
func newPeer(t *testing.T, etype int32, oid string) (*peer, []byte) {
	t.Helper()
	if exec.Command(python, "-c", "import gssapi").Run() != nil {
		t.Skip("install python3-gssapi for this test")
	}
	kt, file := serviceKeys(t, etype)
	dir := t.TempDir()
	credentialCache(t, filepath.Join(dir, "cc"), kt, etype, time.Now())
	conf := "[libdefaults]\ndefault_realm = TEST\nallow_weak_crypto = true\nallow_rc4 = true\npermitted_enctypes = aes aes256-sha2 aes128-sha2 rc4\n"
	check.OK(t, os.WriteFile(filepath.Join(dir, "krb5.conf"), []byte(conf), 0o600))
	cmd := exec.Command(python, "testdata/client.py", oid)
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(dir, "cc"))
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	check.OK(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	p := &peer{t, in, bufio.NewScanner(out)}
	p.out.Buffer(nil, 1<<20)
	return p, file
}

// handshake lets the client authenticate.
func (p *peer) handshake(c auth.Context) {
	p.t.Helper()
	token := p.hear()[0]
	for {
		reply, done, err := c.Step(context.Background(), token)
		check.OK(p.t, err)
		if done && len(reply) == 0 {
			return
		}
		token = p.say("token", reply)[0]
	}
}

func TestMITClientsAreServed(t *testing.T) {
	for etype := range keySizes {
		for level := byte(dcerpc.LevelIntegrity); level <= dcerpc.LevelPrivacy; level++ {
			t.Run(fmt.Sprintf("type %d level %d", etype, level), func(t *testing.T) {
				p, file := newPeer(t, etype, "1.2.840.113554.1.2.2")
				m, err := New(file, nil)
				check.OK(t, err)
				c, _ := m.Begin(level)
				p.handshake(c)
				if who := c.Caller(); who.Account != "user1" || who.Domain != "TEST" || len(who.SessionKey) != keySizes[etype] {
					t.Errorf("%+v", who)
				}
				for i := range 6 {
					p.exchange(c, level, 32*i, i%2 == 1)
				}
			})
		}
	}
}

// exchange sends a fragment each way.
func (p *peer) exchange(c auth.Context, level byte, n int, signHeader bool) {
	p.t.Helper()
	there, back := "sign", "check"
	if level == dcerpc.LevelPrivacy {
		there, back = "seal", "unseal"
	}
	if signHeader {
		there, back = there+"+", back+"+"
	}
	f := authtest.Fragment(n, 0, signHeader)
	plain := bytes.Clone(f.Stub())
	got := p.say(there, f.PDU[:f.From], f.Stub(), f.PDU[f.To:], nil)
	if level == dcerpc.LevelPrivacy && len(got) == 2 {
		copy(f.Stub(), got[0])
	}
	f.PDU = append(f.PDU, got[len(got)-1]...)
	if err := c.Unprotect(f); err != nil || !bytes.Equal(f.Stub(), plain) {
		p.t.Fatalf("%s of %d bytes: %v", there, n, err)
	}
	f = authtest.Fragment(n, c.SignatureSize(), signHeader)
	check.OK(p.t, c.Protect(f))
	got = p.say(back, f.PDU[:f.From], f.Stub(), f.PDU[f.To:f.To+auth.TrailerSize], f.Value())
	if len(got) != 1 || !bytes.Equal(got[0], plain) {
		p.t.Errorf("%s of %d bytes: the client has %x", back, n, got)
	}
}

func TestWrongTicketsAreDenied(t *testing.T) {
	p, file := newPeer(t, aes256SHA1, "1.2.840.113554.1.2.2")
	token := p.hear()[0]
	_, other := serviceKeys(t, aes128SHA1)
	kt, _ := serviceKeys(t, aes256SHA1)
	kt.Entries[0].Key.KeyValue[3] ^= 1
	wrong, _ := kt.Marshal()
	for what, file := range map[string][]byte{"another type": other, "another key": wrong} {
		m, err := New(file, nil)
		check.OK(t, err)
		c, _ := m.Begin(dcerpc.LevelIntegrity)
		if _, _, err := c.Step(context.Background(), token); !errors.Is(err, auth.ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	m, _ := New(file, nil)
	for at := range token {
		bad := bytes.Clone(token)
		bad[at] ^= 0x20
		c, _ := m.Begin(dcerpc.LevelIntegrity)
		if _, done, err := c.Step(context.Background(), bad); done || err == nil && at > 40 {
			// The names of the service are not protected, nor needed.
			if r, _ := m.library.accept(unframe(bad)); r == nil || r.client != "user1" {
				t.Errorf("byte %d changed: taken (%v)", at, err)
			}
		}
		if _, _, err := c.Step(context.Background(), token); err == nil {
			t.Errorf("byte %d changed: an AP-REQ is a third leg", at)
		}
	}
}

// TestAReplayIsNotAuthenticated is about a peer that has seen an AP-REQ, and gets
// answers to it: it can do nothing with these.
func TestAReplayIsNotAuthenticated(t *testing.T) {
	p, file := newPeer(t, aes256SHA1, "1.2.840.113554.1.2.2")
	token := p.hear()[0]
	m, err := New(file, nil)
	check.OK(t, err)
	begin := func() (auth.Context, []byte) {
		c, _ := m.Begin(dcerpc.LevelConnect)
		reply, _, err := c.Step(context.Background(), token)
		check.OK(t, err)
		return c, reply
	}
	denied := func(what string, c auth.Context, third []byte) {
		if _, done, err := c.Step(context.Background(), third); done || !errors.Is(err, auth.ErrDenied) || c.Caller() != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	first, reply := begin()
	third := p.say("token", reply)[0]
	other, _ := begin()
	denied("third leg of another handshake", other, third)
	reflecting, own := begin()
	denied("the server's own answer as third leg", reflecting, own)
	same, _ := begin()
	same.(*securityContext).Send = first.(*securityContext).Send
	denied("answer of another handshake with the same number", same, reply)
	if _, done, err := first.Step(context.Background(), third); !done || err != nil {
		t.Errorf("third leg: %v", err)
	}
}
