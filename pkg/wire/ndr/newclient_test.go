// SPDX-License-Identifier: Apache-2.0

package ndr

// The largest structures known to this project, as samba-dcerpcd 4.22 sends
// them: read wholly, and written again byte for byte.

import (
	"bytes"
	"testing"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// blob is a uint32 length and as many octets.
type blob []byte

func (b *blob) NDR(c *Codec) {
	n := uint32(len(*b))
	c.Uint32(&n)
	c.Octets((*[]byte)(b), int(n))
}

// optText is a [unique] pointer to a [string].
type optText = Optional[Text, *Text]

type sid struct {
	Revision, Count uint8
	Authority       [6]byte
	Sub             [15]uint32
}

func (s *sid) NDR(c *Codec) {
	c.Struct(Align4)
	c.Uint8(&s.Revision)
	c.Uint8(&s.Count)
	if int(s.Count) > len(s.Sub) {
		c.Fail("sid", ErrRange)
		return
	}
	c.Fixed(s.Authority[:])
	for i := range s.Sub[:s.Count] {
		c.Uint32(&s.Sub[i])
	}
	c.EndStruct(Align4)
}

func (*sid) MinSize() int { return 8 }

type securityToken struct {
	NumSIDs        uint32
	SIDs           Array[sid, *sid]
	Privileges     uint64
	Rights         uint32
	Claims         [4]uint32
	EvaluateClaims uint16
}

func (t *securityToken) NDR(c *Codec) {
	c.Struct(Align8)
	c.SizeIs(&t.NumSIDs, len(t.SIDs))
	t.SIDs.Conformance(c) // in place: this array is not the last member
	c.Value(&t.SIDs)
	c.Match(t.NumSIDs, len(t.SIDs))
	c.Uint64(&t.Privileges)
	c.Uint32(&t.Rights)
	for i := range t.Claims {
		c.Uint32(&t.Claims[i])
	}
	for _, n := range t.Claims {
		if c.Count(int(n), 1) != 0 {
			c.Fail("claims", ErrRange)
		}
	}
	c.Uint16(&t.EvaluateClaims)
	c.EndStruct(Align8)
}

type unixToken struct {
	UID, GID uint64
	N        uint32
	Groups   Array[U64, *U64]
}

func (t *unixToken) Conformance(c *Codec) { t.Groups.Conformance(c) }

func (t *unixToken) NDR(c *Codec) {
	c.Struct(Align8)
	c.Uint64(&t.UID)
	c.Uint64(&t.GID)
	c.SizeIs(&t.N, len(t.Groups))
	c.Match(t.N, len(t.Groups))
	c.Value(&t.Groups)
	c.EndStruct(Align8)
}

type userInfo struct {
	Account, UPN   optText
	UPNConstructed uint8
	Text           [8]optText // domain, dns domain, full name, script, profile, home, drive, server
	Times          [12]uint32
	Logons, BadPW  uint16
	ACB, Flags     uint32
}

func (u *userInfo) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Value(&u.Account)
	c.Value(&u.UPN)
	c.Uint8(&u.UPNConstructed)
	FixedArray(c, u.Text[:])
	for i := range u.Times {
		c.Uint32(&u.Times[i])
	}
	c.Uint16(&u.Logons)
	c.Uint16(&u.BadPW)
	c.Uint32(&u.ACB)
	c.Uint32(&u.Flags)
	c.EndStruct(AlignPtr)
}

type unixInfo struct{ Name, Sanitized optText }

func (u *unixInfo) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Value(&u.Name)
	c.Value(&u.Sanitized)
	c.EndStruct(AlignPtr)
}

type session struct {
	Token       Optional[securityToken, *securityToken]
	Unix        Optional[unixToken, *unixToken]
	Info        Optional[userInfo, *userInfo]
	UnixInfo    Optional[unixInfo, *unixInfo]
	Torture     uint32
	Key         blob
	Credentials uint32
	ID          [16]byte
	TicketType  uint16
}

func (s *session) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Value(&s.Token)
	c.Value(&s.Unix)
	c.Value(&s.Info)
	c.Value(&s.UnixInfo)
	c.Uint32(&s.Torture)
	c.Value(&s.Key)
	c.Uint32(&s.Credentials)
	c.UUID(&s.ID)
	c.Uint16(&s.TicketType)
	c.EndStruct(AlignPtr)
}

type transport struct {
	Session  Optional[session, *session]
	Exported blob
}

func (t *transport) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Value(&t.Session)
	c.Value(&t.Exported)
	c.EndStruct(AlignPtr)
}

type npaInfo struct {
	Transport          uint8
	Client, ClientAddr optText
	ClientPort         uint16
	Server, ServerAddr optText
	ServerPort         uint16
	Session            Optional[transport, *transport]
}

func (n *npaInfo) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint8(&n.Transport)
	c.Value(&n.Client)
	c.Value(&n.ClientAddr)
	c.Uint16(&n.ClientPort)
	c.Value(&n.Server)
	c.Value(&n.ServerAddr)
	c.Uint16(&n.ServerPort)
	c.Value(&n.Session)
	c.EndStruct(AlignPtr)
}

type newClient struct {
	Binding Text
	NPA     npaInfo
	PDU     blob
}

func (n *newClient) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Ref(&n.Binding)
	c.Ref(&n.NPA)
	c.Value(&n.PDU)
	c.EndStruct(AlignPtr)
}

func TestNewClientOfSamba(t *testing.T) {
	for _, c := range []struct {
		file, binding, client, account, unix string
		sids, groups                         int
	}{
		{"01", `ncacn_np:[\pipe\winreg]`, "127.0.0.1", "SYSTEM", `NT AUTHORITY\SYSTEM`, 2, 1},
		{"06", `ncacn_np:[\pipe\srvsvc]`, "127.0.0.1", "root", "root", 8, 1},
		{"08", `ncacn_np:[\pipe\srvsvc]`, "127.0.0.1", "root", "root", 8, 1},
		{"11", "ncacn_ip_tcp:[42100]", "127.0.0.1", "ANONYMOUS LOGON", "nobody", 5, 1},
		{"13", "ncalrpc:[rpcd_winreg]", "/root/ncalrpc_as_system", "ANONYMOUS LOGON", "nobody", 5, 1},
	} {
		b := vectors.Read(t, "samba/samba-4.22."+c.file+".new_client.bin")
		var n newClient
		var d Decoder
		d.Reset(b, 0)
		d.Value(&n)
		if err := d.Close(); err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		s := &n.NPA.Session.V.Session.V
		got := []string{string(n.Binding), string(n.NPA.ClientAddr.V), string(s.Info.V.Account.V), string(s.UnixInfo.V.Name.V)}
		for i, want := range []string{c.binding, c.client, c.account, c.unix} {
			check.Is(t, c.file, want, got[i])
		}
		if len(s.Token.V.SIDs) != c.sids || len(s.Unix.V.Groups) != c.groups || len(s.Key) != 16 {
			t.Errorf("%s: %d sids, %d groups, key of %d bytes", c.file, len(s.Token.V.SIDs), len(s.Unix.V.Groups), len(s.Key))
		}
		var e Encoder
		if e.Value(&n); e.Err() != nil || !bytes.Equal(e.Bytes(), b) {
			t.Errorf("%s: written again: %v\n% x\n% x", c.file, e.Err(), e.Bytes(), b)
		}
		// Cut anywhere, it is an error, and never a panic.
		for i := range b {
			var n newClient
			d.Reset(b[:i], 0)
			if d.Value(&n); d.Close() == nil {
				t.Errorf("%s: cut to %d of %d bytes it is taken", c.file, i, len(b))
			}
		}
	}
}
