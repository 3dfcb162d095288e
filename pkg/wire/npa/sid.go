// SPDX-License-Identifier: Apache-2.0

package npa

// This file owns security identifiers. A SID is its bytes, so that it can be
// compared with == and be a key of a map, and all SIDs of a session share one
// allocation.

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// SID is a security identifier in its packet form (MS-DTYP 2.4.2.2): revision,
// number of subauthorities, authority in 6 big-endian bytes, subauthorities in
// 4 little-endian bytes each. "" is none.
type SID string

// Well-known SIDs (MS-DTYP 2.4.2.4).
var (
	SIDEveryone       = mustSID("S-1-1-0")
	SIDAnonymous      = mustSID("S-1-5-7")
	SIDAuthenticated  = mustSID("S-1-5-11") // Authenticated Users
	SIDSystem         = mustSID("S-1-5-18") // the SMB server itself
	SIDAdministrators = mustSID("S-1-5-32-544")
	SIDGuests         = mustSID("S-1-5-32-546")
)

const (
	sidHead      = 8  // bytes before the subauthorities
	sidAuthority = 22 // "Unix" of S-1-22
	maxSubAuths  = 15 // MS-DTYP 2.4.2
)

// Authority returns the identifier authority, 48 bits.
func (s SID) Authority() uint64 {
	var n uint64
	for i := 2; i < sidHead && i < len(s); i++ {
		n = n<<8 | uint64(s[i])
	}
	return n
}

// Subs returns how many subauthorities there are.
func (s SID) Subs() int { return max(0, len(s)-sidHead) / 4 }

// Sub returns subauthority i, 0 <= i < Subs().
func (s SID) Sub(i int) uint32 {
	p := s[sidHead+4*i : sidHead+4*i+4]
	return uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24
}

// String returns the text form (MS-DTYP 2.4.2.1), "S-1-5-32-544"; "" for none.
func (s SID) String() string {
	if len(s) < sidHead {
		return ""
	}
	b := []byte("S-1-")
	if a := s.Authority(); a < 1<<32 {
		b = strconv.AppendUint(b, a, 10)
	} else {
		b = fmt.Appendf(b, "0x%012X", a)
	}
	for i := range s.Subs() {
		b = strconv.AppendUint(append(b, '-'), uint64(s.Sub(i)), 10)
	}
	return string(b)
}

// MarshalText is String, for JSON.
func (s SID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSID; no text is not a SID.
func (s *SID) UnmarshalText(text []byte) (err error) {
	if *s = ""; len(text) > 0 {
		*s, err = ParseSID(string(text))
	}
	return err
}

// ParseSID reads the text form.
func ParseSID(text string) (SID, error) {
	wrong := fmt.Errorf("%.80q is not a SID such as S-1-5-32-544", text)
	rest, ok := strings.CutPrefix(text, "S-1-")
	words := strings.Split(rest, "-")
	if !ok || len(words) > 1+maxSubAuths {
		return "", wrong
	}
	base := 10
	if hex, ok := strings.CutPrefix(words[0], "0x"); ok {
		words[0], base = hex, 16
	}
	authority, err := strconv.ParseUint(words[0], base, 48)
	if err != nil {
		return "", wrong
	}
	b := binary.BigEndian.AppendUint64(nil, authority)
	b[0], b[1] = 1, byte(len(words)-1)
	for _, w := range words[1:] {
		sub, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return "", wrong
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(sub))
	}
	return SID(b), nil
}

// mustSID is ParseSID for constants.
func mustSID(text string) SID {
	s, err := ParseSID(text)
	if err != nil {
		panic(err)
	}
	return s
}

// sid takes one SID of the request; nil when there is none.
func (w *walk) sid() []byte {
	w.align(4)
	start := w.off
	head := w.take(sidHead)
	if head == nil || head[0] != 1 || head[1] > maxSubAuths {
		w.bad = true
		return nil
	}
	if w.take(4*uint32(head[1])) == nil && head[1] > 0 {
		return nil
	}
	return w.b[start:w.off]
}
