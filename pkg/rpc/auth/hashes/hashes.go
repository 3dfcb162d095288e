// SPDX-License-Identifier: Apache-2.0

package hashes

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/wire/npa"
)

// MaxAccounts is how many lines a file may have.
const MaxAccounts = 65536

// File is what such a file has.
type File struct {
	accounts map[string]account // by the name in lower case
	names    auth.Names
}

type account struct {
	name string
	uid  uint32
	hash [16]byte
	off  bool
}

// empty is the hash of the empty password.
var empty = [16]byte{0x31, 0xd6, 0xcf, 0xe0, 0xd1, 0x6a, 0xe9, 0x31, 0xb7, 0x3c, 0x59, 0xd7, 0xe0, 0xc0, 0x89, 0xc0}

// Parse reads the text of a file.
func Parse(text string) (*File, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	short, domain, _ := strings.Cut(host, ".")
	netbios := strings.ToUpper(short[:min(15, len(short))])
	f := &File{accounts: map[string]account{}, names: auth.Names{Computer: netbios, Domain: netbios, DNSComputer: host, DNSDomain: domain}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		a, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		key := strings.ToLower(a.name)
		if _, twice := f.accounts[key]; twice || len(f.accounts) == MaxAccounts {
			return nil, fmt.Errorf("line %d: an account that was there already, or more than %d", n, MaxAccounts)
		}
		f.accounts[key] = a
	}
	return f, nil
}

func parseLine(line string) (a account, err error) {
	fields := strings.Split(line, ":")
	if len(fields) < 5 || fields[0] == "" {
		return a, fmt.Errorf("not of the form NAME:UID:LMHASH:NTHASH:[FLAGS]")
	}
	uid, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil {
		return a, fmt.Errorf("the second field is not a user id")
	}
	a.name, a.uid = fields[0], uint32(uid)
	a.off = strings.ContainsAny(fields[4], "DNLI")
	if strings.Trim(fields[3], "X*") == "" {
		a.off = true
	} else if n, err := hex.Decode(a.hash[:], []byte(fields[3][:min(32, len(fields[3]))])); err != nil || n != 16 || len(fields[3]) != 32 {
		return a, fmt.Errorf("the fourth field is not an NT hash of 32 hexadecimal digits")
	}
	a.off = a.off || a.hash == empty
	return a, nil
}

// Mechanisms are NTLM, and SPNEGO over it, for the accounts of the file: what
// rpcd.Server.Auth wants.
func (f *File) Mechanisms() []auth.Mechanism {
	n := &ntlm.Mechanism{Accounts: f}
	return []auth.Mechanism{n, spnego.New(n)}
}

// Names implements auth.Accounts.
func (f *File) Names(context.Context) (auth.Names, error) { return f.names, nil }

// Logon implements auth.Accounts. The domain is what the client says: the hash is
// that of the account of this host, whatever it calls it.
func (f *File) Logon(_ context.Context, l *auth.Logon) (*auth.Account, error) {
	a, found := f.accounts[strings.ToLower(l.Account)]
	key, ok := ntlm.Check(a.hash, l.Account, l.Domain, l.Challenge, l.NTResponse)
	switch {
	case !found:
		return nil, auth.Fail(auth.UnknownAccount, auth.ErrDenied, "the file of hashes has no such account")
	case a.off:
		return nil, auth.Fail(auth.AccountDisabled, auth.ErrDenied, "the account is disabled or locked in the file of hashes, or has no password")
	case !ok:
		return nil, auth.Fail(auth.WrongPassword, auth.ErrDenied, "the password is not that of the file of hashes")
	}
	sid, err := npa.ParseSID(fmt.Sprintf("S-1-22-1-%d", a.uid)) // as Samba's for a user of unix
	if err != nil {
		return nil, err
	}
	return &auth.Account{Name: a.name, Domain: f.names.Computer, SIDs: []npa.SID{sid}, SessionKey: key}, nil
}

// PAC implements auth.Accounts: no domain vouches for what is in it.
func (f *File) PAC(context.Context, []byte) (*auth.Account, error) { return &auth.Account{}, nil }
