// SPDX-License-Identifier: Apache-2.0

package spnego

// This file owns the bytes of messages (RFC 4178 4.2, MS-SPNG 2.2.1).

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"msrpcd/pkg/rpc/auth"
)

var oidSPNEGO = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}

const maxMechanisms = 32 // that a client offers

// States of a negotiation, negState.
const (
	accepted   = 0
	incomplete = 1
	rejected   = 2
	requestMIC = 3
)

func malformed(what string) error { return fmt.Errorf("%w: SPNEGO %s", auth.ErrToken, what) }

func field(n uint8) tags.Tag { return tags.Tag(n).ContextSpecific().Constructed() }

// offer is a NegTokenInit.
type offer struct {
	mechanisms []asn1.ObjectIdentifier
	list       []byte // mechTypes as they came: what MICs are over
	token      []byte // of the first mechanism, nil without one
}

// parseOffer reads an initial token. What Windows puts where mechListMIC is, is
// not looked at.
func parseOffer(b []byte) (o offer, err error) {
	s := cryptobyte.String(b)
	var body, seq, list, element cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&body, tags.Tag(0).Constructed()|0x40) || !body.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidSPNEGO) {
		return o, malformed("initial token is of another mechanism")
	}
	var choice cryptobyte.String
	if !body.ReadASN1(&choice, field(0)) || !choice.ReadASN1(&seq, tags.SEQUENCE) || !seq.ReadASN1(&list, field(0)) {
		return o, malformed("NegTokenInit is malformed")
	}
	o.list = list
	if !list.ReadASN1(&element, tags.SEQUENCE) {
		return o, malformed("list of mechanisms is malformed")
	}
	for !element.Empty() {
		if !element.ReadASN1ObjectIdentifier(&oid) || len(o.mechanisms) == maxMechanisms {
			return o, malformed("list of mechanisms is malformed, or too long")
		}
		o.mechanisms = append(o.mechanisms, oid)
	}
	var flags, token cryptobyte.String
	var there bool
	if !seq.ReadOptionalASN1(&flags, &there, field(1)) || !seq.ReadOptionalASN1(&token, &there, field(2)) {
		return o, malformed("NegTokenInit is malformed")
	}
	if there && !token.ReadASN1((*cryptobyte.String)(&o.token), tags.OCTET_STRING) {
		return o, malformed("token is malformed")
	}
	return o, nil
}

// marshalOffer makes an initial token with one mechanism, and the list that MICs
// are over.
func marshalOffer(oid asn1.ObjectIdentifier, token []byte) (initial, list []byte, err error) {
	var l, b cryptobyte.Builder
	l.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
	if list, err = l.Bytes(); err != nil {
		return nil, nil, err
	}
	b.AddASN1(tags.Tag(0).Constructed()|0x40, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSPNEGO)
		b.AddASN1(field(0), func(b *cryptobyte.Builder) {
			b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(field(0), func(b *cryptobyte.Builder) { b.AddBytes(list) })
				b.AddASN1(field(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(token) })
			})
		})
	})
	initial, err = b.Bytes()
	return initial, list, err
}

// response is a NegTokenResp.
type response struct {
	state      int                   // negState of what was read; incomplete when not told
	mechanism  asn1.ObjectIdentifier // nil when not told
	token, mic []byte                // nil when not there
}

func parseResponse(b []byte) (r response, err error) {
	s := cryptobyte.String(b)
	var choice, seq, state, oid cryptobyte.String
	var there bool
	r.state = incomplete
	if !s.ReadASN1(&choice, field(1)) || !choice.ReadASN1(&seq, tags.SEQUENCE) ||
		!seq.ReadOptionalASN1(&state, &there, field(0)) || there && !state.ReadASN1Enum(&r.state) || !seq.ReadOptionalASN1(&oid, &there, field(1)) ||
		there && !oid.ReadASN1ObjectIdentifier(&r.mechanism) {
		return r, malformed("NegTokenResp is malformed")
	}
	for n, to := range []*[]byte{&r.token, &r.mic} {
		var part cryptobyte.String
		if !seq.ReadOptionalASN1(&part, &there, field(2+uint8(n))) || there && !part.ReadASN1((*cryptobyte.String)(to), tags.OCTET_STRING) {
			return r, malformed("NegTokenResp is malformed")
		}
	}
	return r, nil
}

// marshalResponse makes a NegTokenResp.
func marshalResponse(state int64, r response) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(field(1), func(b *cryptobyte.Builder) {
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(field(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(state) })
			if r.mechanism != nil {
				b.AddASN1(field(1), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(r.mechanism) })
			}
			if r.token != nil {
				b.AddASN1(field(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.token) })
			}
			if r.mic != nil {
				b.AddASN1(field(3), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.mic) })
			}
		})
	})
	return b.Bytes()
}
