// SPDX-License-Identifier: Apache-2.0

// Who a command authenticates as, and how: the options that commands have for it.

package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/krb5/ccache"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/printable"
)

// authHelp is what the commands' help says of them.
const authHelp = `

With -U, -A or -k the client authenticates itself and every call is protected at
the level --auth.`

// credentials are the options.
type credentials struct {
	level, mechanism string
	account          account
	file             string
	kerberos         bool

	made auth.Mechanism // of the first target
}

// levels are the names of protection.
var levels = map[string]byte{
	"connect": dcerpc.LevelConnect, "packet": dcerpc.LevelPacket, "integrity": dcerpc.LevelIntegrity, "sign": dcerpc.LevelIntegrity,
	"privacy": dcerpc.LevelPrivacy, "seal": dcerpc.LevelPrivacy,
}

var levelNames = []string{"connect", "packet", "integrity", "privacy"}

// Names of mechanisms.
var mechanisms = []string{"spnego", "ntlm", "krb5"}

// flags adds the options to a command.
func (c *credentials) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.level, "auth", "", "authenticate, with calls at `LEVEL`: connect, packet, integrity (sign) or privacy (seal, the default)")
	f.StringVar(&c.mechanism, "mech", "spnego", "authenticate with `MECHANISM`: ntlm, krb5, or spnego, which negotiates either")
	f.VarP(&c.account, "user", "U", "authenticate as `ACCOUNT`, [DOMAIN\\]USER[%PASSWORD]; a password that is not there is asked for")
	f.StringVarP(&c.file, "authentication-file", "A", "", "read username, password and domain from `FILE`")
	f.BoolVarP(&c.kerberos, "kerberos", "k", false, "authenticate with the Kerberos ticket that kinit got")
	cmd.RegisterFlagCompletionFunc("auth", cobra.FixedCompletions(levelNames, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("mech", cobra.FixedCompletions(mechanisms, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("user", cobra.NoFileCompletions)
}

// check refuses options that make no sense, and finds out whether to authenticate.
func (c *credentials) check() error {
	wrong := func(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
	given := c.account.user != "" || c.file != "" || c.kerberos || c.mechanism == "krb5"
	switch {
	case !slices.Contains(mechanisms, c.mechanism):
		return wrong("--mech %s is none of %s", printable.Quote(c.mechanism, 40), strings.Join(mechanisms, ", "))
	case c.level != "" && levels[c.level] == 0:
		return wrong("--auth %s is none of %s", printable.Quote(c.level, 40), strings.Join(levelNames, ", "))
	case c.kerberos && c.mechanism == "ntlm":
		return wrong("-k is Kerberos, --mech ntlm is not")
	case c.account.user != "" && c.file != "":
		return wrong("-U and -A both name an account: give one")
	case (c.kerberos || c.mechanism == "krb5") && (c.account.user != "" || c.file != ""):
		return wrong("the account of Kerberos is that of its ticket: leave -U and -A out, or run kinit for it")
	case !given && c.level != "":
		return wrong("--auth needs an account: give -U, -A or -k")
	case !given && c.mechanism != "spnego":
		return wrong("--mech needs an account: give -U or -A")
	}
	c.kerberos = c.kerberos || c.mechanism == "krb5"
	if c.level == "" && given {
		c.level = "privacy"
	}
	for _, name := range levelNames {
		if c.level != "" && levels[name] == levels[c.level] {
			c.level = name
		}
	}
	return nil
}

// options adds authentication at a target to those of a connection.
func (c *credentials) options(ctx context.Context, t target, o rpcclient.Options) (rpcclient.Options, error) {
	o.NcalrpcDir = t.ncalrpcDir
	if c.level == "" {
		return o, nil
	}
	if c.made == nil {
		one, err := c.credential(ctx, t)
		if err != nil {
			return o, err
		}
		if c.made = one; c.mechanism == "spnego" {
			c.made = &spnego.Client{Mechanism: one}
		}
	}
	o.Auth, o.Level = c.made, levels[c.level]
	return o, nil
}

// credential is the ticket for a target, or the hash of the account.
func (c *credentials) credential(ctx context.Context, t target) (auth.Mechanism, error) {
	if c.kerberos {
		host := t.binding.Host
		if t.binding.Protseq == binding.Ncalrpc {
			host, _ = os.Hostname()
		}
		if _, err := netip.ParseAddr(host); err == nil || host == "" {
			return nil, fmt.Errorf("kerberos knows servers by name, and %s is an address; write the host's name", t.binding)
		}
		k, err := ccache.Ticket("host/"+strings.ToLower(host), os.Getenv)
		if err != nil {
			return nil, remedy(err)
		}
		return k, nil
	}
	if c.file != "" {
		if err := c.account.read(c.file); err != nil {
			return nil, err
		}
	}
	if c.account.password == nil {
		if password, ok := os.LookupEnv("PASSWD"); ok {
			c.account.password = []byte(password)
		} else if err := c.account.ask(ctx); err != nil {
			return nil, err
		}
	}
	return &ntlm.Client{Account: c.account.user, Domain: c.account.domain, Hash: ntlm.Hash(c.account.password)}, nil
}

// remedies are what people can do about errors of authentication.
var remedies = []struct {
	err error
	do  string
}{
	{ccache.ErrNoTicket, "run kinit"},
	{ccache.ErrService, "is this the server's name in its domain, and has it joined?"},
	{ccache.ErrClock, "set the clock of this host, as by NTP"},
	{ccache.ErrKDC, "name the realm's KDC in /etc/krb5.conf, or use the name server of the domain"},
	{rpcclient.ErrMechanism, "try another --mech"},
	{rpcclient.ErrLogon, "check domain, account and password, or the ticket with klist; the server's log has the cause"},
	{rpcclient.ErrServerAuth, "this may be another host than the one meant, or one that needs an older protocol"},
}

// remedy adds what people can do.
func remedy(err error) error {
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			return fmt.Errorf("%w; %s", err, r.do)
		}
	}
	return err
}

// authenticated is the account that a server knows the client by, and how.
type authenticated struct {
	Account   string `json:"account"`
	Domain    string `json:"domain,omitempty"`
	Mechanism string `json:"mechanism"` // ntlm or krb5
	Level     string `json:"level"`
}

// of is what is known after a bind, nil without authentication.
func (c *credentials) of(conn *rpcclient.Conn) *authenticated {
	who := conn.Caller()
	if who == nil {
		return nil
	}
	a := &authenticated{Account: who.Account, Domain: who.Domain, Mechanism: "ntlm", Level: c.level}
	if who.Service == dcerpc.AuthKerberos {
		a.Mechanism = "krb5"
	}
	return a
}

func (a *authenticated) text() string {
	name := a.Account
	if a.Mechanism == "krb5" {
		name += "@" + a.Domain
	} else if a.Domain != "" {
		name = a.Domain + `\\` + name
	}
	return fmt.Sprintf("%s, %s, %s", name, a.Mechanism, a.Level)
}

// opListening is rpc_mgmt_is_server_listening (C706 appendix Q).
const opListening = 2

// callMgmt makes a call that every server answers.
func callMgmt(ctx context.Context, c *rpcclient.Conn, bound dcerpc.SyntaxID) error {
	mgmt, _ := names(wellKnown).parse("mgmt")
	if bound != mgmt {
		if err := c.Alter(ctx, mgmt); err != nil {
			return err
		}
	}
	_, _, err := c.CallStub(ctx, rpcclient.Operation{Interface: mgmt, Opnum: opListening}, nil)
	return err
}
