// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns tokens of RFC 4121 with AES, of SHA-1 (RFC 3962: what is signed is
// in plain) and of SHA-2 (RFC 8009: what is signed is enciphered).
//
// A sealed fragment is what a token would be in one piece,
//
//	token header | E(confounder | stub | filler | token header) | checksum
//
// with the stub where it is, and what follows it rotated in front of the
// confounder: auth_value is token header, E(filler, token header), checksum,
// E(confounder) (MS-KILE 3.4.5.4.1). The checksum is over the PDU's header and
// sec_trailer too, where they are, with header signing.

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"

	"msrpcd/pkg/rpc/auth"
)

// Parts of tokens.
const (
	block      = aes.BlockSize
	headSize   = 16    // token header
	filler     = block // EC: what Windows has there; a peer may have another length
	fromServer = 1     // flags of a token header
	sealed     = 2
	serversKey = 4 // AcceptorSubkey
)

var zeros [block]byte

// Usages of keys (RFC 4121 2), of the server's tokens.
const (
	useSeal = 22
	useSign = 23
)

// direction is the keys of one direction.
type direction struct {
	flag             byte
	mac, seal        hash.Hash // of signatures, and of what is sealed
	block            cipher.Block
	encrypt, decrypt cipher.BlockMode
}

type aesTokens struct {
	out, in direction
	mac     int  // bytes of a checksum
	sha2    bool // enciphered first
	sum     [64]byte
	head    [headSize]byte
}

func newAES(l library, s *state) (*aesTokens, error) {
	t := &aesTokens{mac: 12}
	h := sha1.New
	switch s.Key.Type {
	case aes128SHA2:
		h, t.mac, t.sha2 = sha256.New, 16, true
	case aes256SHA2:
		h, t.mac, t.sha2 = sha512.New384, 24, true
	}
	err := t.out.init(l, s, h, s.Initiator)
	if err == nil {
		err = t.in.init(l, s, h, !s.Initiator)
	}
	return t, err
}

// init derives keys (RFC 3961 5.3: Kc, Ki, Ke).
func (d *direction) init(l library, s *state, h func() hash.Hash, initiator bool) error {
	d.flag = fromServer
	more := uint32(0)
	if initiator {
		d.flag, more = 0, 2
	}
	if !s.ClientsKey {
		d.flag |= serversKey
	}
	kc, err := l.derive(s.Key, useSign+more, 0x99)
	if err != nil {
		return err
	}
	ki, err := l.derive(s.Key, useSeal+more, 0x55)
	if err != nil {
		return err
	}
	ke, err := l.derive(s.Key, useSeal+more, 0xaa)
	if err != nil {
		return err
	}
	d.mac, d.seal = hmac.New(h, kc), hmac.New(h, ki)
	if d.block, err = aes.NewCipher(ke); err != nil {
		return err
	}
	d.encrypt, d.decrypt = cipher.NewCBCEncrypter(d.block, zeros[:]), cipher.NewCBCDecrypter(d.block, zeros[:])
	for _, part := range [][]byte{kc, ki, ke} {
		clear(part)
	}
	return nil
}

func (t *aesTokens) sizes() (sign, seal int) {
	return headSize + t.mac, headSize + filler + headSize + t.mac + block
}

// putHead writes a token header.
func putHead(b []byte, id uint16, flags byte, ec, rrc int, seq uint64) {
	binary.BigEndian.PutUint16(b, id)
	b[2], b[3] = flags, 0xff
	binary.BigEndian.PutUint16(b[4:], uint16(ec))
	binary.BigEndian.PutUint16(b[6:], uint16(rrc))
	binary.BigEndian.PutUint64(b[8:], seq)
}

const (
	idSign = 0x0404
	idSeal = 0x0504
)

// signature makes the signature of a message in t.
func (t *aesTokens) signature(d *direction, message []byte, seq uint64) (head, sum []byte) {
	putHead(t.head[:], idSign, d.flag, 0xffff, 0xffff, seq)
	d.mac.Reset()
	d.mac.Write(message)
	d.mac.Write(t.head[:])
	return t.head[:], d.mac.Sum(t.sum[:0])[:t.mac]
}

func (t *aesTokens) sign(message, token []byte, seq uint64) {
	head, sum := t.signature(&t.out, message, seq)
	copy(token, head)
	copy(token[headSize:], sum)
}

func (t *aesTokens) check(message, token []byte, seq uint64) bool {
	head, sum := t.signature(&t.in, message, seq)
	return len(token) == headSize+t.mac && subtle.ConstantTimeCompare(head, token[:headSize])&subtle.ConstantTimeCompare(sum, token[headSize:]) == 1
}

// scratch is where a fragment is put together: a cipher wants it in one piece.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 8192); return &b }}

// checksum is over a fragment whose confounder, stub and tail are those in text.
func (t *aesTokens) checksum(d *direction, f *auth.Fragment, text []byte) []byte {
	d.seal.Reset()
	if t.sha2 {
		d.seal.Write(zeros[:])
	}
	d.seal.Write(text[:block])
	stub := block + f.To - f.From
	if f.SignHeader {
		d.seal.Write(f.PDU[:f.From])
		d.seal.Write(text[block:stub])
		d.seal.Write(f.PDU[f.To : f.To+auth.TrailerSize])
		d.seal.Write(text[stub:])
	} else {
		d.seal.Write(text[block:])
	}
	return d.seal.Sum(t.sum[:0])[:t.mac]
}

func (t *aesTokens) seal(f auth.Fragment, seq uint64) {
	d, v, stub := &t.out, f.Value(), f.Stub()
	putHead(v, idSeal, d.flag|sealed, filler, 0, seq)
	p := scratch.Get().(*[]byte)
	defer scratch.Put(p)
	text := append((*p)[:0], zeros[:]...)
	random(text)
	text = append(append(append(text, stub...), zeros[:filler]...), v[:headSize]...)
	sum := t.sum[:0]
	if !t.sha2 {
		sum = t.checksum(d, &f, text)
	}
	text = d.encipher(text)
	if t.sha2 {
		sum = t.checksum(d, &f, text)
	}
	binary.BigEndian.PutUint16(v[6:], uint16(headSize+t.mac)) // RRC does not count the filler, as in Windows
	copy(stub, text[block:])
	n := copy(v[headSize:], text[block+len(stub):])
	n += copy(v[headSize+n:], sum)
	copy(v[headSize+n:], text[:block])
	*p = text
}

func (t *aesTokens) unseal(f auth.Fragment, seq uint64) bool {
	d, v, stub := &t.in, f.Value(), f.Stub()
	ec := len(v) - (headSize + headSize + t.mac + block)
	if ec < 0 {
		return false
	}
	putHead(t.head[:], idSeal, d.flag|sealed, ec, headSize+t.mac, seq)
	good := subtle.ConstantTimeCompare(v[:headSize], t.head[:])
	if good != 1 {
		return false
	}
	p := scratch.Get().(*[]byte)
	defer scratch.Put(p)
	tail := ec + headSize
	text := append((*p)[:0], v[len(v)-block:]...)
	text = append(append(text, stub...), v[headSize:headSize+tail]...)
	theirs := v[headSize+tail:][:t.mac]
	if t.sha2 {
		good &= subtle.ConstantTimeCompare(t.checksum(d, &f, text), theirs)
	}
	text = d.decipher(text)
	if !t.sha2 {
		good &= subtle.ConstantTimeCompare(t.checksum(d, &f, text), theirs)
	}
	inner := text[len(text)-headSize:]
	good &= subtle.ConstantTimeCompare(inner[:4], v[:4]) & subtle.ConstantTimeCompare(inner[8:], v[8:headSize])
	copy(stub, text[block:])
	*p = text
	return good == 1
}

// restart makes a mode begin anew: its type has the method, though no interface
// of package cipher says so.
func restart(m cipher.BlockMode) { m.(interface{ SetIV([]byte) }).SetIV(zeros[:]) }

// encipher does CBC with ciphertext stealing (RFC 3962 5), in place. b has more
// than one block.
func (d *direction) encipher(b []byte) []byte {
	n := len(b)
	b = append(b, zeros[:-n&(block-1)]...)
	restart(d.encrypt)
	d.encrypt.CryptBlocks(b, b)
	swapEnd(b)
	return b[:n]
}

func (d *direction) decipher(b []byte) []byte {
	n := len(b)
	b = append(b, zeros[:-n&(block-1)]...)
	m := len(b)
	if short := m - n; short > 0 { // the end of the last block but one was left out
		var last [block]byte
		d.block.Decrypt(last[:], b[m-2*block:m-block])
		copy(b[n:], last[block-short:])
	}
	swapEnd(b)
	restart(d.decrypt)
	d.decrypt.CryptBlocks(b, b)
	return b[:n]
}

// swapEnd changes the places of the last two blocks.
func swapEnd(b []byte) {
	var t [block]byte
	x, y := b[len(b)-2*block:len(b)-block], b[len(b)-block:]
	copy(t[:], x)
	copy(x, y)
	copy(y, t[:])
}
