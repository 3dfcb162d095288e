// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/abi"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// vector reads a message body captured from samba-dcerpcd and its workers.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	return vectors.Read(t, "samba/"+name)
}

func layoutOf(t testing.TB, version string) abi.Layout {
	t.Helper()
	v, err := abi.ParseVersion(version)
	check.OK(t, err)
	l, err := v.Layout()
	check.OK(t, err)
	return l
}

// captured takes PDU, binding and offset of the client's identity out of a
// captured body.
func captured(body []byte) (pdu, binding []byte, info int) {
	n := int(binary.LittleEndian.Uint32(body[8:]))
	pdu = body[ClientHead : ClientHead+n]
	s := (ClientHead + n + 3) &^ 3
	l := int(binary.LittleEndian.Uint32(body[s:]))
	return pdu, body[s+12 : s+12+l-1], (s + 12 + l + 3) &^ 3
}

func bodyWith(pdu []byte) []byte {
	b := make([]byte, ClientHead, len(pdu)+ClientRoom)
	return append(b, pdu...)
}

// anonymousGUID finds the one field of a captured session that is random.
func anonymousGUID(t testing.TB, body []byte) (g [16]byte) {
	mark := append([]byte{16, 0, 0, 0}, make([]byte, 20)...) // session key, no credentials
	i := bytes.Index(body, mark)
	if i < 0 {
		t.Fatal("no session key in the captured body")
	}
	copy(g[:], body[i+len(mark):])
	return g
}

func TestAnonymousBodyIsByteForByteWhatSambaDcerpcdSends(t *testing.T) {
	tests := []struct {
		vector, version, netbios string
		remote, local            string
		root                     bool
	}{
		{vector: "samba-4.17.11.new_client.bin", version: "4.17.12", netbios: "POCBRIDGE", remote: "127.0.0.1:58968", local: "127.0.0.1:42000"},
		{vector: "samba-4.22.11.new_client.bin", version: "4.22.11", netbios: "POCBRIDG2", remote: "127.0.0.1:38906", local: "127.0.0.1:42100"},
		{vector: "samba-4.25.01.new_client.bin", version: "4.25.1", netbios: "POCBRIDG5", remote: "127.0.0.1:58036", local: "127.0.0.1:42200"},
		{vector: "samba-4.22.13.new_client.bin", version: "4.22.11", netbios: "POCBRIDG2", local: "/run/samba-test/s422/ncalrpc/rpcd_winreg", root: true},
		{vector: "samba-4.25.03.new_client.bin", version: "4.25.1", netbios: "POCBRIDG5", local: "/run/samba-test/s425/ncalrpc/rpcd_winreg", root: true},
	}
	for _, tt := range tests {
		t.Run(tt.vector, func(t *testing.T) {
			want := vector(t, tt.vector)
			pdu, binding, _ := captured(want)
			a := NewAnonymous(layoutOf(t, tt.version), Guest{
				NetbiosName: tt.netbios, Account: "nobody", UID: 65534, GIDs: []uint32{65534},
				GUID: anonymousGUID(t, want),
			})
			var got []byte
			if tt.remote != "" {
				got = a.AppendTCP(bodyWith(pdu), binding, netip.MustParseAddrPort(tt.remote), netip.MustParseAddrPort(tt.local))
			} else {
				got = a.AppendLocal(bodyWith(pdu), binding, []byte(tt.local), tt.root)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("body differs (-samba-dcerpcd +here):\n%s", d)
			}
		})
	}
}

func TestOnlyRootIsNamedRootOnNcalrpc(t *testing.T) {
	a := NewAnonymous(layoutOf(t, "4.22.0"), Guest{Account: "nobody", GIDs: []uint32{65534}})
	path := []byte("/run/samba/ncalrpc/DEFAULT")
	user := a.AppendLocal(bodyWith(nil), []byte("ncalrpc:[DEFAULT]"), path, false)
	root := a.AppendLocal(bodyWith(nil), []byte("ncalrpc:[DEFAULT]"), path, true)
	if bytes.Contains(user, []byte(localRoot)) || bytes.Count(root, []byte(localRoot+"\x00")) != 2 {
		t.Error("the name of local root is given to others, or not to root")
	}
	_, _, info := captured(user)
	empty := append(appendU32(nil, 1, 0, 1), 0, 0, 0, 0)
	if !bytes.HasPrefix(user[info+32:], append(empty, empty...)) {
		t.Error("another user's name and address are not empty")
	}
}

func TestNPABytesAreSplicedAsSambaDcerpcdPlacesThem(t *testing.T) {
	exact := 0
	for f, want := range vectors.Match(t, "samba/*.new_client.bin") {
		pdu, binding, info := captured(want)
		if !strings.HasPrefix(string(binding), "ncacn_np:") {
			continue
		}
		got := AppendClient(bodyWith(pdu), binding, want[info:])
		_, gotBinding, gotInfo := captured(got)
		if gotInfo%8 != 0 || !bytes.Equal(bytes.TrimRight(gotBinding, "\x00"), binding) || !bytes.Equal(got[gotInfo:], want[info:]) {
			t.Errorf("%s: identity at %#x, binding %q", f, gotInfo, gotBinding)
		}
		if info%8 == 0 {
			exact++
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-samba-dcerpcd +here):\n%s", f, d)
			}
		}
	}
	if exact < 4 {
		t.Errorf("only %d captured bodies were compared as a whole", exact)
	}
}

func TestSpliceIsAlignedForEveryLength(t *testing.T) {
	npa := []byte("identity")
	for pdu := 0; pdu < 40; pdu++ {
		for n := 1; n < 40; n++ {
			binding := strings.Repeat("b", n)
			b := AppendClient(bodyWith(make([]byte, pdu)), []byte(binding), npa)
			at := len(b) - len(npa)
			gotPDU, gotBinding, info := captured(b)
			if at%8 != 0 || info != at || len(gotPDU) != pdu || strings.TrimRight(string(gotBinding), "\x00") != binding || len(gotBinding) > n+4 {
				t.Fatalf("pdu of %d, binding of %d: identity at %d, found at %d, binding %q", pdu, n, at, info, gotBinding)
			}
		}
	}
}

// The parts of the layouts for which nothing was captured are held against one
// for which something was, difference by difference.
func TestAnonymousLayoutsDifferWhereTheyShould(t *testing.T) {
	g := Guest{NetbiosName: "HOST", Account: "nobody", UID: 65534, GIDs: []uint32{65534}}
	session := func(v string, phase int) []byte { return NewAnonymous(layoutOf(t, v), g).session[phase] }
	for phase := range 2 {
		base := session("4.17.12", phase)
		for _, v := range []string{"4.16.4", "4.17.0", "4.17.8", "4.18.0", "4.18.11"} {
			if !bytes.Equal(base, session(v, phase)) {
				t.Errorf("%s phase %d: session differs from 4.17.12's", v, phase)
			}
		}
		flags := bytes.Clone(base)
		i := bytes.Index(flags, []byte{0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}) // acct_flags, user_flags, length of the account
		flags[i+4] = 1
		if d := cmp.Diff(flags, session("4.19.4", phase)); d != "" {
			t.Errorf("4.19.4 phase %d:\n%s", phase, d)
		}
		if !bytes.Equal(session("4.20.0", phase), session("4.25.1", phase)) {
			t.Errorf("4.20.0 and 4.25.1 differ")
		}
		// without the ticket type the token begins where alignment allows
		const guidEnd = 8 + 20 + 20 + 4 + 16
		token := func(end int) int { return (4*phase+end+7)&^7 - 4*phase }
		old := session("4.16.3", phase)
		want := append(bytes.Clone(base[:token(guidEnd)]), base[token(guidEnd+2):]...)
		if d := cmp.Diff(want, old); d != "" {
			t.Errorf("4.16.3 phase %d:\n%s", phase, d)
		}
	}
	// level 5 has one byte more in front of the strings
	pdu, bind := make([]byte, 72), []byte("ncacn_ip_tcp:[49152]")
	ap := netip.MustParseAddrPort("[::ffff:192.0.2.7]:1024")
	five := NewAnonymous(layoutOf(t, "4.17.8"), g).AppendTCP(bodyWith(pdu), bind, ap, ap)
	seven := NewAnonymous(layoutOf(t, "4.17.9"), g).AppendTCP(bodyWith(pdu), bind, ap, ap)
	_, _, info := captured(five)
	if !bytes.Equal(five[:info+32], seven[:info+32]) {
		t.Error("scalars of level 5 and 7 differ")
	}
	const name = "\x0a\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00192.0.2.7\x00"
	if !bytes.HasPrefix(five[info+36:], []byte(name)) || !bytes.HasPrefix(seven[info+32:], []byte(name)) {
		t.Error("first name is not where level 5 and 7 have it")
	}
}

func TestBodiesAreBuiltWithoutAllocation(t *testing.T) {
	a := NewAnonymous(layoutOf(t, "4.22.0"), Guest{NetbiosName: "HOST", Account: "nobody", GIDs: []uint32{65534}})
	body := bodyWith(make([]byte, 116))
	binding, path, npa := []byte("ncacn_ip_tcp:[49152]"), []byte("/run/samba/ncalrpc/DEFAULT"), make([]byte, 700)
	ap := netip.MustParseAddrPort("[2001:db8::1]:49152")
	n := testing.AllocsPerRun(100, func() {
		a.AppendTCP(body, binding, ap, ap)
		a.AppendLocal(body, binding, path, true)
		AppendClient(body, binding, npa)
	})
	check.Is(t, "allocations for three bodies", 0, n)
}
