// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
)

// This file owns why a client is not authenticated: one word for logs and those who
// search them, and what an administrator can do about it.

// Cause is why a client is not authenticated.
type Cause string

// Causes. Those of the client come first, then those of the host.
const (
	WrongPassword   Cause = "wrong-password"
	UnknownAccount  Cause = "unknown-account"
	UnknownDomain   Cause = "unknown-domain"
	AccountLocked   Cause = "account-locked"
	AccountDisabled Cause = "account-disabled"
	AccountExpired  Cause = "account-expired"
	PasswordExpired Cause = "password-expired"
	Restricted      Cause = "account-restricted"
	WeakNTLM        Cause = "weak-ntlm"
	WrongMIC        Cause = "wrong-mic"
	ClockSkew       Cause = "clock-skew"
	BadTicket       Cause = "bad-ticket"
	BadToken        Cause = "bad-token"
	NotServed       Cause = "mechanism-not-served"
	Refused         Cause = "refused" // none of the others

	KeytabMissing   Cause = "keytab-missing"
	KeytabUnusable  Cause = "keytab-unusable"
	KeytabWithout   Cause = "keytab-without-key"
	WinbindAbsent   Cause = "winbindd-absent"
	WinbindStopped  Cause = "winbindd-stopped"
	WinbindAccess   Cause = "winbindd-access"
	WinbindSlow     Cause = "winbindd-slow"
	WinbindVersion  Cause = "winbindd-version"
	WinbindFailed   Cause = "winbindd-failed"
	NoController    Cause = "no-domain-controller"
	AuthUnreachable Cause = "msrpc-auth-unreachable"
)

// remedies are what can be done.
var remedies = map[Cause]string{
	WrongPassword:   "if there are many, the client guesses, or has an old password stored",
	UnknownAccount:  "create the account, or correct the name that the client uses",
	UnknownDomain:   "let the client name this host, its domain or one that is trusted",
	AccountLocked:   "unlock the account, as with samba-tool user unlock or pdbedit, once you know which client tried passwords",
	AccountDisabled: "enable the account, as with samba-tool user enable or smbpasswd -e",
	AccountExpired:  "extend the account, as with samba-tool user setexpiry",
	PasswordExpired: "the user has to change the password",
	Restricted:      "the account may log on at other times or from other hosts: change that, if it should",
	WeakNTLM:        "let the client use NTLMv2 with signatures; of those without a MIC see msrpc-auth(8)",
	WrongMIC:        "something between client and server changes the handshake, or the client is broken",
	ClockSkew:       "synchronise the clocks of client, KDC and this host",
	BadTicket:       "let the client get a new ticket",
	BadToken:        "the client is broken, or scans this host",
	NotServed:       "let the client use NTLM, or give msrpc-auth a keytab for Kerberos, see msrpc-auth(8)",
	KeytabMissing:   "put one into /etc/credstore/krb5.keytab, see msrpc-auth(8)",
	KeytabUnusable:  "make the keytab again, and stop msrpc-auth.service so that it reads it",
	KeytabWithout:   "make the keytab again if the host has a new password or name, and stop msrpc-auth.service so that it reads it; else let the client get a new ticket",
	WinbindAbsent:   "install and start winbind, or give msrpc-auth a file of hashes, see msrpc-auth(8)",
	WinbindStopped:  "run systemctl start winbind",
	WinbindAccess:   "msrpc-auth.service needs the group of winbindd's privileged directory, see msrpc-auth(8)",
	WinbindSlow:     "look at winbindd, with systemctl status winbind and wbinfo -t",
	WinbindVersion:  "install a version of msrpcd that knows this Samba",
	WinbindFailed:   "look at winbindd, with systemctl status winbind and wbinfo -t",
	NoController:    "look at the way to the domain controller, with wbinfo -t",
	AuthUnreachable: "look at systemctl status msrpc-auth.socket msrpc-auth.service",
}

// Remedy is what an administrator can do, "" when that is not known.
func (c Cause) Remedy() string { return remedies[c] }

// Failure is an error with its cause.
type Failure struct {
	Cause   Cause
	Account string // as the client sent it, "" when it is not known
	Err     error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives Err to package errors.
func (f *Failure) Unwrap() error { return f.Err }

// Fail makes a Failure that wraps kind, such as ErrDenied.
func Fail(cause Cause, kind error, format string, args ...any) error {
	return &Failure{Cause: cause, Err: fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))}
}

// FailureOf finds the Failure in an error, or makes one.
func FailureOf(err error) *Failure {
	var f *Failure
	switch {
	case errors.As(err, &f):
		return &Failure{f.Cause, f.Account, err}
	case errors.Is(err, ErrToken):
		return &Failure{Cause: BadToken, Err: err}
	}
	return &Failure{Cause: Refused, Err: err}
}

// For adds the account to an error, nil stays nil.
func For(account string, err error) error {
	if err == nil {
		return nil
	}
	f := FailureOf(err)
	f.Account = account
	return f
}
