// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns tokens of RC4 (RFC 4757 7). Old domains have no other key.

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/rc4"
)

// random fills b.
func random(b []byte) { rand.Read(b) }

// Frames of tokens, and what they begin with.
const (
	arcfourSign = "\x60\x23\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" + "\x01\x01\x11\x00\xff\xff\xff\xff"
	arcfourSeal = "\x60\x2b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" + "\x02\x01\x11\x00\x10\x00\xff\xff"
	frameSize   = 13
	arcfourHead = frameSize + 8
)

// arcfour is the keys of a context: one for all, others depend on the message.
type arcfour struct {
	key, local     [16]byte
	out, in        byte // what stands for the sender in a sequence number
	signer, hasher hash.Hash
	inner          hash.Hash // MD5, of HMACs with keys of one message
	sum, seq       [16]byte
	pad            [64]byte
	cipher         rc4.Cipher
}

func newArcfour(k key, initiator bool) *arcfour {
	t := &arcfour{key: [16]byte(k.Value), out: 0xff, in: 0, hasher: md5.New(), inner: md5.New()}
	if initiator {
		t.out, t.in = 0, 0xff
	}
	for i, b := range t.key {
		t.local[i] = b ^ 0xf0
	}
	h := hmac.New(md5.New, k.Value)
	h.Write([]byte("signaturekey\x00"))
	t.signer = hmac.New(md5.New, h.Sum(nil))
	return t
}

func (t *arcfour) sizes() (sign, seal int) { return arcfourHead + 16, arcfourHead + 24 }

// mac is HMAC-MD5, without an allocation.
func (t *arcfour) mac(key *[16]byte, message []byte) [16]byte {
	for _, x := range [2]byte{0x36, 0x5c} {
		clear(t.pad[:])
		copy(t.pad[:], key[:])
		for i := range t.pad {
			t.pad[i] ^= x
		}
		t.inner.Reset()
		t.inner.Write(t.pad[:])
		if x == 0x36 {
			t.inner.Write(message)
		} else {
			t.inner.Write(t.sum[:])
		}
		t.inner.Sum(t.sum[:0])
	}
	return t.sum
}

// checksum is SGN_CKSUM; parts are what is signed.
func (t *arcfour) checksum(use byte, head, confounder []byte, f *auth.Fragment, message []byte) (sum [8]byte) {
	h := t.hasher
	h.Reset()
	t.seq = [16]byte{use}
	h.Write(t.seq[:4])
	h.Write(head)
	h.Write(confounder)
	if f != nil {
		message = f.Signed()
	}
	h.Write(message)
	t.signer.Reset()
	t.signer.Write(h.Sum(t.sum[:0]))
	copy(sum[:], t.signer.Sum(t.sum[:0]))
	return sum
}

// number crypts SND_SEQ, which the checksum is part of the key of.
func (t *arcfour) number(b, checksum []byte) {
	clear(t.seq[:])
	k := t.mac(&t.key, t.seq[:4])
	k = t.mac(&k, checksum)
	t.cipher.Init(k[:])
	t.cipher.Crypt(b)
}

func (t *arcfour) putNumber(b []byte, seq uint64, sender byte) {
	binary.BigEndian.PutUint32(b, uint32(seq))
	b[4], b[5], b[6], b[7] = sender, sender, sender, sender
}

// stream begins the cipher of a sealed message.
func (t *arcfour) stream(seq uint64) {
	clear(t.seq[:])
	k := t.mac(&t.local, t.seq[:4])
	binary.BigEndian.PutUint32(t.seq[:], uint32(seq))
	k = t.mac(&k, t.seq[:4])
	t.cipher.Init(k[:])
}

// Usages in checksums (RFC 4757 7.2, 7.3).
const (
	arcfourUseSign = 15
	arcfourUseSeal = 13
)

func (t *arcfour) sign(message, token []byte, seq uint64) {
	copy(token, arcfourSign)
	sum := t.checksum(arcfourUseSign, token[frameSize:arcfourHead], nil, nil, message)
	t.end(token, sum, seq)
}

// end writes number and checksum behind the head of a token.
func (t *arcfour) end(token []byte, sum [8]byte, seq uint64) {
	copy(token[arcfourHead+8:], sum[:])
	t.putNumber(token[arcfourHead:], seq, t.out)
	t.number(token[arcfourHead:arcfourHead+8], token[arcfourHead+8:arcfourHead+16])
}

// same checks the end of a token.
func (t *arcfour) same(token []byte, sum [8]byte, seq uint64) bool {
	var want [8]byte
	t.putNumber(want[:], seq, t.in)
	theirs := token[arcfourHead+8 : arcfourHead+16]
	t.number(token[arcfourHead:arcfourHead+8], theirs)
	return subtle.ConstantTimeCompare(sum[:], theirs)&subtle.ConstantTimeCompare(want[:], token[arcfourHead:arcfourHead+8]) == 1
}

func (t *arcfour) check(message, token []byte, seq uint64) bool {
	if len(token) != arcfourHead+16 || string(token[:arcfourHead]) != arcfourSign {
		return false
	}
	return t.same(token, t.checksum(arcfourUseSign, token[frameSize:arcfourHead], nil, nil, message), seq)
}

func (t *arcfour) seal(f auth.Fragment, seq uint64) {
	v := f.Value()
	copy(v, arcfourSeal)
	confounder := v[arcfourHead+16:]
	random(confounder)
	sum := t.checksum(arcfourUseSeal, v[frameSize:arcfourHead], confounder, &f, nil)
	t.stream(seq)
	t.cipher.Crypt(confounder)
	t.cipher.Crypt(f.Stub())
	t.end(v, sum, seq)
}

func (t *arcfour) unseal(f auth.Fragment, seq uint64) bool {
	v := f.Value()
	if len(v) != arcfourHead+24 || string(v[:arcfourHead]) != arcfourSeal {
		return false
	}
	confounder := v[arcfourHead+16:]
	t.stream(seq)
	t.cipher.Crypt(confounder)
	t.cipher.Crypt(f.Stub())
	return t.same(v, t.checksum(arcfourUseSeal, v[frameSize:arcfourHead], confounder, &f, nil), seq)
}
