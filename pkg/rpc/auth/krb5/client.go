// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns the side of a client that has a ticket: AP-REQ, the server's AP-REP
// and the third leg.

import (
	"encoding/binary"
	"fmt"

	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// Client makes contexts of a client. Package ccache makes it.
type Client struct {
	Name    types.PrincipalName // of the account
	Realm   string
	Ticket  messages.Ticket // for the server
	Session types.EncryptionKey
}

// Service implements auth.Mechanism.
func (c *Client) Service() byte { return dcerpc.AuthKerberos }

// Restore implements auth.Mechanism: a client's context ends with its process.
func (c *Client) Restore([]byte) (auth.Context, error) { return nil, auth.ErrState }

// Begin implements auth.Mechanism.
func (c *Client) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &securityContext{m: Restorer(), state: state{Level: level, Initiator: true}, client: c}, nil
}

// Flags of GSS-API that a client asks for, beside those of the server's side.
const (
	flagMutual   = 0x02
	flagReplay   = 0x04
	flagSequence = 0x08

	gssChecksum   = 0x8003
	mutualOption  = 2 // AP-REQ
	apReqInFrame  = "\x01\x00"
	bindingLength = 16
)

// initiate makes what a client sends.
func (c *securityContext) initiate(token []byte) (reply []byte, done bool, err error) {
	defer noPanic(&err)
	if c.request == nil {
		reply, err = c.ask()
		return reply, false, err
	}
	reply, err = c.confirm(token)
	return reply, err == nil, err
}

// ask makes the AP-REQ, in the frame of GSS-API.
func (c *securityContext) ask() ([]byte, error) {
	a, err := types.NewAuthenticator(c.client.Realm, c.client.Name)
	if err == nil {
		err = a.GenerateSeqNumberAndSubKey(c.client.Session.KeyType, len(c.client.Session.KeyValue))
	}
	if err != nil {
		return nil, err
	}
	flags := uint32(flagMutual | flagReplay | flagSequence | flagIntegrity | flagDCEStyle)
	if c.Level == dcerpc.LevelPrivacy {
		flags |= flagPrivacy
	}
	sum := binary.LittleEndian.AppendUint32(nil, bindingLength)
	sum = binary.LittleEndian.AppendUint32(append(sum, make([]byte, bindingLength)...), flags)
	a.Cksum = types.Checksum{CksumType: gssChecksum, Checksum: sum}
	q, err := messages.NewAPReq(c.client.Ticket, c.client.Session, a)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&q.APOptions, mutualOption)
	der, err := q.Marshal()
	if err != nil {
		return nil, err
	}
	session := c.client.Session
	c.request = &request{session: key{session.KeyType, append([]byte(nil), session.KeyValue...)}, context: key{a.SubKey.KeyType, a.SubKey.KeyValue},
		time: a.CTime, microseconds: a.Cusec}
	c.Send = uint64(a.SeqNumber)
	var b cryptobyte.Builder
	b.AddASN1(tags.Tag(0).Constructed()|0x40, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(OID)
		b.AddBytes([]byte(apReqInFrame))
		b.AddBytes(der)
	})
	return b.Bytes()
}

// confirm takes the server's AP-REP and makes the third leg.
func (c *securityContext) confirm(token []byte) ([]byte, error) {
	r := c.request
	session := types.EncryptionKey{KeyType: r.session.Type, KeyValue: r.session.Value}
	var rep messages.APRep
	if err := rep.Unmarshal(token); err != nil {
		return nil, fmt.Errorf("%w: the server's AP-REP: %w", auth.ErrToken, err)
	}
	if err := rep.DecryptEncPart(session); err != nil {
		return nil, fmt.Errorf("%w: the server's AP-REP is not made with the key of the ticket", auth.ErrDenied)
	}
	p := &rep.DecryptedEncPart
	if !p.CTime.Equal(r.time.Truncate(1e9)) || p.Cusec != r.microseconds {
		return nil, fmt.Errorf("%w: the server's AP-REP answers another request", auth.ErrDenied)
	}
	c.Receive = uint64(uint32(p.SequenceNumber))
	c.Key, c.ClientsKey = r.context, true
	if len(p.Subkey.KeyValue) > 0 {
		c.Key, c.ClientsKey = key{p.Subkey.KeyType, p.Subkey.KeyValue}, false
	}
	third, err := messages.NewAPRep(session, messages.EncAPRepPart{CTime: p.CTime, Cusec: p.Cusec, SequenceNumber: p.SequenceNumber})
	if err != nil {
		return nil, err
	}
	if c.tokens, err = newTokens(c.m.library, &c.state); err != nil {
		return nil, fmt.Errorf("%w: encryption type %d: %v", auth.ErrDenied, c.Key.Type, err)
	}
	c.state.Caller = &auth.Caller{Service: dcerpc.AuthKerberos, Account: c.client.Name.PrincipalNameString(), Domain: c.client.Realm,
		SessionKey: append([]byte(nil), c.Key.Value...)}
	clear(r.session.Value)
	c.request = nil
	return third.Marshal()
}
