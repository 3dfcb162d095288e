// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns what is used of a Kerberos library, four calls, so that it can
// be changed.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/flags"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/pkg/rpc/auth"
)

// key is a key of an encryption type.
type key struct {
	Type  int32
	Value []byte
}

// request is what an AP-REQ says, once its ticket and authenticator are checked.
type request struct {
	client, realm string
	session       key // of the ticket
	context       key // the client's subkey or session, then what reply makes of it
	seq           uint32
	time          time.Time
	microseconds  int
	flags         uint32 // GSS-API, RFC 4121 4.1.1
	pac           []byte // nil without one
}

type library interface {
	// accept takes an AP-REQ.
	accept(token []byte) (*request, error)
	// reply makes the AP-REP to it, with a new key of the same type for the context.
	reply(r *request, seq uint32) ([]byte, error)
	// third opens the AP-REP of the client, the third leg, and returns its
	// sequence number: that of ours (MIT's has a time of its own). An AP-REP with a
	// key is that of a server, this one or another, and is sent back.
	third(r *request, token []byte) (seq uint32, err error)
	// derive makes a key for one use (RFC 3961 5.1, RFC 8009 5).
	derive(k key, usage uint32, kind byte) ([]byte, error)
}

// gokrb5 is the library github.com/oiweiwei/gokrb5.fork.
type gokrb5 struct{ keytab *keytab.Keytab }

// Bounds.
const (
	maxKeys = 1024            // of a keytab
	skew    = 5 * time.Minute // between the clocks of client, KDC and this host
)

func newLibrary(file []byte) (l gokrb5, err error) {
	defer noPanic(&err)
	l.keytab = keytab.New()
	if err := l.keytab.Unmarshal(file); err != nil {
		return l, fmt.Errorf("keytab cannot be read: %w", err)
	}
	if n := len(l.keytab.Entries); n == 0 || n > maxKeys {
		return l, fmt.Errorf("keytab has %d keys, it should have 1 to %d", n, maxKeys)
	}
	return l, nil
}

// noPanic makes an error of a panic of the library.
func noPanic(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: Kerberos message that the library does not understand", auth.ErrToken)
	}
}

func (l gokrb5) accept(token []byte) (r *request, err error) {
	defer noPanic(&err)
	var q messages.APReq
	if err := q.Unmarshal(token); err != nil {
		return nil, fmt.Errorf("%w: AP-REQ: %v", auth.ErrToken, err)
	}
	if types.IsFlagSet(&q.APOptions, 1) {
		return nil, fmt.Errorf("%w: the ticket is for user-to-user authentication", auth.ErrDenied)
	}
	t, with, err := l.open(&q.Ticket)
	if err != nil {
		return nil, err
	}
	plain, err := crypto.DecryptEncPart(q.EncryptedAuthenticator, t.Key, keyusage.AP_REQ_AUTHENTICATOR)
	if err != nil {
		return nil, auth.Fail(auth.BadTicket, auth.ErrDenied, "authenticator is not made with the key of its ticket")
	}
	a := &q.Authenticator
	if err := a.Unmarshal(plain); err != nil {
		return nil, fmt.Errorf("%w: authenticator: %v", auth.ErrToken, err)
	}
	if !a.CName.Equal(t.CName) || a.CRealm != t.CRealm {
		return nil, fmt.Errorf("%w: the authenticator is of another client than the ticket", auth.ErrDenied)
	}
	if d := time.Since(a.CTime).Abs(); d > skew {
		return nil, auth.For(t.CName.PrincipalNameString(), auth.Fail(auth.ClockSkew, auth.ErrDenied, "clocks of client and server differ by %v", d.Round(time.Second)))
	}
	if a.Cksum.CksumType != 0x8003 || len(a.Cksum.Checksum) < 24 {
		return nil, fmt.Errorf("%w: authenticator without flags of GSS-API", auth.ErrToken)
	}
	r = &request{client: t.CName.PrincipalNameString(), realm: t.CRealm, session: key{t.Key.KeyType, t.Key.KeyValue},
		seq: uint32(a.SeqNumber), time: a.CTime, microseconds: a.Cusec,
		flags: binary.LittleEndian.Uint32(a.Cksum.Checksum[20:]), pac: pacOf(t.AuthorizationData)}
	switch {
	case r.pac != nil && !signedPAC(r.pac, with):
		return nil, auth.Fail(auth.BadTicket, auth.ErrDenied, "the PAC of the ticket is not signed with the key of this host")
	case r.pac != nil && !hasAccount(r.pac):
		r.pac = nil
	}
	r.context = key{t.Key.KeyType, bytes.Clone(t.Key.KeyValue)}
	if len(a.SubKey.KeyValue) > 0 {
		r.context = key{a.SubKey.KeyType, a.SubKey.KeyValue}
	}
	return r, nil
}

// open deciphers a ticket with any key that fits, and returns that: clients name
// this host as they like, and a process that has the key is this host.
func (l gokrb5) open(t *messages.Ticket) (*messages.EncTicketPart, types.EncryptionKey, error) {
	for i := range l.keytab.Entries {
		e := &l.keytab.Entries[i]
		if e.Key.KeyType != t.EncPart.EType || t.EncPart.KVNO != 0 && e.KVNO != uint32(t.EncPart.KVNO) {
			continue
		}
		plain, err := crypto.DecryptEncPart(t.EncPart, e.Key, keyusage.KDC_REP_TICKET)
		if err != nil {
			continue
		}
		p := &t.DecryptedEncPart
		if err := p.Unmarshal(plain); err != nil {
			return nil, types.EncryptionKey{}, fmt.Errorf("%w: ticket: %v", auth.ErrToken, err)
		}
		if ok, err := t.Valid(skew); err != nil || !ok {
			return nil, types.EncryptionKey{}, auth.For(p.CName.PrincipalNameString(), auth.Fail(auth.BadTicket, auth.ErrDenied, "the ticket is not valid now: it is from %v to %v", p.StartTime, p.EndTime))
		}
		return p, e.Key, trusted(p)
	}
	return nil, types.EncryptionKey{}, auth.Fail(auth.KeytabWithout, auth.ErrDenied, "no key of the keytab opens the ticket for %.200q of realm %.200q, key version %d, encryption type %d",
		t.SName.PrincipalNameString(), t.Realm, t.EncPart.KVNO, t.EncPart.EType)
}

// trusted refuses anonymous tickets, and those that came through realms which
// neither the KDC (RFC 4120 2.7) nor, by a PAC, a domain vouches for.
func trusted(t *messages.EncTicketPart) error {
	switch {
	case t.CName.PrincipalNameString() == "WELLKNOWN/ANONYMOUS":
		return fmt.Errorf("%w: the ticket is anonymous (RFC 8062)", auth.ErrDenied)
	case len(t.Transited.Contents) > 0 && !types.IsFlagSet(&t.Flags, flags.TransitedPolicyChecked) && pacOf(t.AuthorizationData) == nil:
		return fmt.Errorf("%w: the ticket came through realms %.200q, and no KDC has checked that", auth.ErrDenied, t.Transited.Contents)
	}
	return nil
}

func (gokrb5) reply(r *request, seq uint32) (token []byte, err error) {
	defer noPanic(&err)
	subkey := key{r.context.Type, make([]byte, keySizes[r.context.Type])}
	if len(subkey.Value) == 0 {
		return nil, fmt.Errorf("%w: encryption type %d is not served", auth.ErrDenied, subkey.Type)
	}
	random(subkey.Value)
	rep, err := messages.NewAPRep(types.EncryptionKey{KeyType: r.session.Type, KeyValue: r.session.Value},
		messages.EncAPRepPart{CTime: r.time, Cusec: r.microseconds, SequenceNumber: int64(seq),
			Subkey: types.EncryptionKey{KeyType: subkey.Type, KeyValue: subkey.Value}})
	clear(r.context.Value)
	r.context = subkey
	if err != nil {
		return nil, err
	}
	return rep.Marshal()
}

func (gokrb5) third(r *request, token []byte) (seq uint32, err error) {
	defer noPanic(&err)
	var rep messages.APRep
	if err := rep.Unmarshal(token); err != nil {
		return 0, fmt.Errorf("%w: AP-REP: %v", auth.ErrToken, err)
	}
	if err := rep.DecryptEncPart(types.EncryptionKey{KeyType: r.session.Type, KeyValue: r.session.Value}); err != nil {
		return 0, fmt.Errorf("%w: third leg is not made with the key of the ticket", auth.ErrDenied)
	}
	if len(rep.DecryptedEncPart.Subkey.KeyValue) > 0 {
		return 0, fmt.Errorf("%w: third leg is an answer of a server", auth.ErrDenied)
	}
	return uint32(rep.DecryptedEncPart.SequenceNumber), nil
}

func (gokrb5) derive(k key, usage uint32, kind byte) (d []byte, err error) {
	defer noPanic(&err)
	e, err := crypto.GetEtype(k.Type)
	if err != nil {
		return nil, err
	}
	return e.DeriveKey(k.Value, append(binary.BigEndian.AppendUint32(nil, usage), kind))
}
