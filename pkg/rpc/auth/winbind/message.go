// SPDX-License-Identifier: Apache-2.0

package winbind

// This file owns the bytes of winbindd's interface (winbind_struct_protocol.h of
// Samba): structures of C in the byte order of the host, which differ between
// versions of the interface.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/npa"
)

var order = binary.NativeEndian

// Bounds of the interface.
const (
	textSize     = 256 // fstring, with its zero
	responseSize = 4008
	maxExtra     = 128 << 10
)

// abi is what differs.
type abi struct {
	size    int // of a request
	data    int // where the arguments of its command are
	netbios uint32
	aliases uint32 // GETSIDALIASES
}

// abis are the versions that are known: 31 is Samba 4.16, 32 is 4.17 to 4.21, 33
// is 4.22 to 4.25.
var abis = map[uint32]abi{31: {2128, 312, 43, 47}, 32: {2136, 320, 43, 47}, 33: {2136, 320, 42, 46}}

// Commands; those for the NetBIOS name and for aliases are in abi.
const (
	cmdVersion    = 0
	cmdAuthCRAP   = 14
	cmdDomainName = 34
	cmdDomainInfo = 35
)

// Flags of cmdAuthCRAP.
const (
	flagInfo3Text  = 0x00000002
	flagSessionKey = 0x00000004
	flagTrusted    = 0x00000010 // CONTACT_TRUSTDOM
	flagPAC        = 0x00000040
	flagBigBlob    = 0x00010000
)

// Places in a request, before the arguments.
const (
	atFlags      = 20
	atDomain     = 24
	atClientName = 280
)

// request makes one without arguments.
func (a abi) request(cmd, flags uint32, extra []byte) []byte {
	b := make([]byte, a.size, a.size+len(extra))
	order.PutUint32(b, uint32(a.size))
	order.PutUint32(b[4:], cmd)
	order.PutUint32(b[atFlags:], flags)
	copy(b[atClientName:], "msrpc-auth")
	order.PutUint32(b[a.size-8:], uint32(len(extra)))
	return append(b, extra...)
}

// putText writes a text, which has to be shorter than its room.
func putText(b []byte, s string) error {
	if len(s) >= textSize || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: a name that is too long for winbindd", auth.ErrDenied)
	}
	copy(b, s)
	return nil
}

// Arguments of cmdAuthCRAP.
const (
	argParameters  = 8
	argUser        = 12
	argDomain      = 268
	argLM          = 524
	argLMLen       = 780
	argNT          = 784
	argNTLen       = 1040
	argWorkstation = 1044

	// Machines may log on too.
	allowMachines = 0x820
)

func (a abi) logon(l *auth.Logon, domain string) ([]byte, error) {
	flags, extra := uint32(flagInfo3Text|flagSessionKey|flagTrusted), []byte(nil)
	if len(l.NTResponse) > textSize {
		flags, extra = flags|flagBigBlob, l.NTResponse
	}
	if len(l.LMResponse) > textSize || len(l.NTResponse) > maxExtra {
		return nil, fmt.Errorf("%w: response that is too long for winbindd", auth.ErrDenied)
	}
	b := a.request(cmdAuthCRAP, flags, extra)
	d := b[a.data:]
	copy(d, l.Challenge[:])
	order.PutUint32(d[argParameters:], allowMachines)
	copy(d[argLM:], l.LMResponse)
	order.PutUint32(d[argLMLen:], uint32(len(l.LMResponse)))
	if extra == nil {
		copy(d[argNT:], l.NTResponse)
	}
	order.PutUint32(d[argNTLen:], uint32(len(l.NTResponse)))
	return b, errors.Join(putText(d[argUser:], l.Account), putText(d[argDomain:], domain), putText(d[argWorkstation:], l.Workstation))
}

// Places in a response.
const (
	atResult  = 4
	atVersion = 8
	atText    = 8 // of a name
	atAltName = 8 + textSize

	atStatus     = 8
	atStatusText = 12
	atSessionKey = 528
	atUserRID    = 904
	atGroupRID   = 908
	atUserFlags  = 916
	atDomainSID  = 928
	atUserName   = 1184
	atLogonDom   = 2976

	resultOK   = 2
	guestLogon = 1
)

// response is one, as long as it has to be.
type response []byte

func (r response) ok() bool          { return order.Uint32(r[atResult:]) == resultOK }
func (r response) u32(at int) uint32 { return order.Uint32(r[at:]) }

// text is a text in it.
func (r response) text(at int) string {
	b := r[at : at+textSize]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return strings.ToValidUTF8(string(b), "?")
}

// account reads the answer to cmdAuthCRAP.
func (r response) account() (*auth.Account, error) {
	if r.u32(atUserFlags)&guestLogon != 0 {
		return nil, fmt.Errorf("%w: winbindd makes it a guest", auth.ErrDenied)
	}
	domain := r.text(atDomainSID)
	a := &auth.Account{Name: r.text(atUserName), Domain: r.text(atLogonDom)}
	copy(a.SessionKey[:], r[atSessionKey:])
	texts := []string{fmt.Sprintf("%s-%d", domain, r.u32(atUserRID)), fmt.Sprintf("%s-%d", domain, r.u32(atGroupRID))}
	for line := range bytes.Lines(bytes.TrimRight(r[responseSize:], "\x00")) {
		sid, _, ok := strings.Cut(string(bytes.TrimSpace(line)), ":")
		if hex, isRID := strings.CutPrefix(sid, "0x"); ok && isRID {
			rid, err := strconv.ParseUint(hex, 16, 32)
			if err != nil {
				return nil, garbage("a group is not a number")
			}
			sid = fmt.Sprintf("%s-%d", domain, rid)
		}
		texts = append(texts, sid)
	}
	return a, addSIDs(a, texts)
}

// addSIDs adds SIDs to those of an account.
func addSIDs(a *auth.Account, texts []string) error {
	if len(a.SIDs)+len(texts) > npa.MaxSIDs {
		return garbage("an account is in too many groups")
	}
	for _, text := range texts {
		sid, err := npa.ParseSID(text)
		if err != nil {
			return garbage(err.Error())
		}
		if !slices.Contains(a.SIDs, sid) {
			a.SIDs = append(a.SIDs, sid)
		}
	}
	return nil
}

// askAliases is the request for the groups of BUILTIN that an account is in, with
// its own groups.
func (a abi) askAliases(who *auth.Account) []byte {
	var list []byte
	for _, sid := range who.SIDs {
		list = append(append(list, sid.String()...), '\n')
	}
	b := a.request(a.aliases, 0, append(list, 0))
	copy(b[a.data:], "S-1-5-32")
	return b
}

// aliases is the answer: none where winbindd knows no BUILTIN.
func (r response) aliases() []string {
	if !r.ok() {
		return nil
	}
	return strings.Fields(string(bytes.TrimRight(r[responseSize:], "\x00")))
}

func garbage(what string) error {
	return auth.Fail(auth.WinbindFailed, auth.ErrUnavailable, "what winbindd answers is not understood: %s", what)
}
