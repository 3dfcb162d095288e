// SPDX-License-Identifier: Apache-2.0

package ntlm

// This file owns the bytes of messages (MS-NLMP 2.2). What is read of a client is
// slices of its token, checked to be inside it.

import (
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf16"

	"msrpcd/pkg/rpc/auth"
)

var le = binary.LittleEndian

const signature = "NTLMSSP\x00"

// Types of messages.
const (
	typeNegotiate    = 1
	typeChallenge    = 2
	typeAuthenticate = 3
)

// Flags of NEGOTIATE (MS-NLMP 2.2.2.5).
const (
	flagUnicode    = 0x00000001
	flagTarget     = 0x00000004 // REQUEST_TARGET
	flagSign       = 0x00000010
	flagSeal       = 0x00000020
	flagNTLM       = 0x00000200
	flagAlwaysSign = 0x00008000
	flagServer     = 0x00020000 // TARGET_TYPE_SERVER
	flagExtended   = 0x00080000 // EXTENDED_SESSIONSECURITY
	flagTargetInfo = 0x00800000
	flagVersion    = 0x02000000
	flag128        = 0x20000000
	flagKeyExch    = 0x40000000

	flagsServed = flagUnicode | flagTarget | flagSign | flagSeal | flagNTLM | flagAlwaysSign | flagExtended | flagVersion | flag128 | flagKeyExch
)

// Pairs of target info (MS-NLMP 2.2.2.1).
const (
	avEOL         = 0
	avComputer    = 1
	avDomain      = 2
	avDNSComputer = 3
	avDNSDomain   = 4
	avFlags       = 6
	avTimestamp   = 7

	avFlagMIC = 2
)

// Offsets and lengths in messages.
const (
	minNegotiate    = 16
	minAuthenticate = 64
	challengeSize   = 56
	micAt           = 72
	micSize         = 16
	proofSize       = 16
	blobHead        = 28 // of an NTLMv2 response behind the proof, without pairs
)

func malformed(what string) error { return fmt.Errorf("%w: NTLM %s", auth.ErrToken, what) }

// messageType is the type of a message, 0 for what is none.
func messageType(b []byte) uint32 {
	if len(b) < minNegotiate || string(b[:8]) != signature {
		return 0
	}
	return le.Uint32(b[8:])
}

// appendChallenge appends a CHALLENGE_MESSAGE.
func appendChallenge(b []byte, flags uint32, challenge [8]byte, n auth.Names, now time.Time) []byte {
	start := len(b)
	target := utf16le(n.Domain)
	b = append(b, signature...)
	b = le.AppendUint32(b, typeChallenge)
	b = appendField(b, len(target), challengeSize)
	b = le.AppendUint32(b, flags)
	b = append(b, challenge[:]...)
	b = append(b, make([]byte, 8)...)
	info := appendPair(nil, avDomain, target)
	info = appendPair(info, avComputer, utf16le(n.Computer))
	if n.DNSDomain != "" {
		info = appendPair(info, avDNSDomain, utf16le(n.DNSDomain))
	}
	if n.DNSComputer != "" {
		info = appendPair(info, avDNSComputer, utf16le(n.DNSComputer))
	}
	info = appendPair(info, avTimestamp, le.AppendUint64(nil, filetime(now)))
	info = appendPair(info, avEOL, nil)
	b = appendField(b, len(info), challengeSize+len(target))
	b = append(b, 6, 1, 0, 0, 0, 0, 0, 15) // the version says nothing
	if len(b)-start != challengeSize {
		panic("ntlm: challengeSize")
	}
	return append(append(b, target...), info...)
}

func appendField(b []byte, n, at int) []byte {
	b = le.AppendUint16(b, uint16(n))
	b = le.AppendUint16(b, uint16(n))
	return le.AppendUint32(b, uint32(at))
}

func appendPair(b []byte, id uint16, v []byte) []byte {
	b = le.AppendUint16(b, id)
	b = le.AppendUint16(b, uint16(len(v)))
	return append(b, v...)
}

// authenticate is an AUTHENTICATE_MESSAGE.
type authenticate struct {
	lm, nt                    []byte
	domain, user, workstation string
	key                       []byte // EncryptedRandomSessionKey
	flags                     uint32
}

func parseAuthenticate(b []byte) (a authenticate, err error) {
	if messageType(b) != typeAuthenticate || len(b) < minAuthenticate {
		return a, malformed("message is not a whole AUTHENTICATE")
	}
	var fields [6][]byte
	for i := range fields {
		at := 12 + 8*i
		n, from := int(le.Uint16(b[at:])), le.Uint32(b[at+4:])
		if n == 0 {
			continue
		}
		if uint64(from)+uint64(n) > uint64(len(b)) || from < minAuthenticate {
			return a, malformed("field is beyond the message")
		}
		fields[i] = b[from : int(from)+n]
	}
	a.flags = le.Uint32(b[60:])
	if a.flags&flagUnicode == 0 {
		return a, malformed("client without Unicode")
	}
	a.lm, a.nt, a.key = fields[0], fields[1], fields[5]
	for i, s := range []*string{&a.domain, &a.user, &a.workstation} {
		if *s, err = text(fields[2+i]); err != nil {
			return a, err
		}
	}
	return a, nil
}

// anonymous reports whether the client asks for no account (MS-NLMP 3.2.5.1.2).
func (a *authenticate) anonymous() bool {
	return a.user == "" && len(a.nt) == 0 && (len(a.lm) == 0 || len(a.lm) == 1 && a.lm[0] == 0)
}

// hasMIC reports whether the NTLMv2 response says that there is a MIC; its
// proof is also over that.
func (a *authenticate) hasMIC() (bool, error) {
	if len(a.nt) < proofSize+blobHead || a.nt[proofSize] != 1 || a.nt[proofSize+1] != 1 {
		return false, auth.Fail(auth.WeakNTLM, auth.ErrDenied, "the client uses LM or NTLMv1, only NTLMv2 is served")
	}
	for b := a.nt[proofSize+blobHead:]; ; {
		if len(b) < 4 {
			return false, malformed("response without end of its pairs")
		}
		id, n := le.Uint16(b), int(le.Uint16(b[2:]))
		if b = b[4:]; n > len(b) {
			return false, malformed("pair is beyond the response")
		}
		switch {
		case id == avEOL:
			return false, nil
		case id == avFlags && n == 4:
			return le.Uint32(b)&avFlagMIC != 0, nil
		}
		b = b[n:]
	}
}

// text reads UTF-16 of at most maxText characters.
func text(b []byte) (string, error) {
	if len(b)%2 != 0 || len(b) > 2*maxText {
		return "", malformed("text is too long")
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		if u[i] = le.Uint16(b[2*i:]); u[i] == 0 {
			return "", malformed("text has a zero")
		}
	}
	return string(utf16.Decode(u)), nil
}

const maxText = 255

func utf16le(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// filetime counts 100 ns since 1601.
func filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100) + 116444736000000000 }
