// SPDX-License-Identifier: Apache-2.0

package winbind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/printable"
)

// Timeout is how long one question may take: less than an rpcd waits for msrpc-auth,
// so that it hears which of the two is slow.
const Timeout = 8 * time.Second

// Statuses of NT after which another name of the domain is tried.
const (
	noSuchUser     = 0xc0000064
	noLogonServers = 0xc000005e
	noSuchDomain   = 0xc00000df
)

// causes are what other statuses say.
var causes = map[uint32]auth.Cause{
	noSuchUser: auth.UnknownAccount, noSuchDomain: auth.UnknownDomain,
	0xc000006a: auth.WrongPassword, 0xc000006d: auth.WrongPassword, // the second also hides an unknown account
	0xc0000234: auth.AccountLocked, 0xc0000072: auth.AccountDisabled, 0xc0000193: auth.AccountExpired,
	0xc0000071: auth.PasswordExpired, 0xc0000224: auth.PasswordExpired,
	0xc000006e: auth.Restricted, 0xc000006f: auth.Restricted, 0xc0000070: auth.Restricted,
}

// Accounts are those of one winbindd.
type Accounts struct {
	pipe string

	mu    sync.Mutex
	abi   abi // zero: not asked yet, or to be asked again
	names auth.Names
}

// New uses the winbindd of a privileged pipe.
func New(pipe string) *Accounts { return &Accounts{pipe: pipe} }

// ask sends a request and reads the answer.
func (w *Accounts) ask(ctx context.Context, request []byte) (r response, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", w.pipe)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	r = make(response, responseSize)
	if _, err := io.ReadFull(conn, r); err != nil {
		return nil, err
	}
	n := order.Uint32(r)
	if n < responseSize || n > responseSize+maxExtra {
		return nil, garbage(fmt.Sprintf("%d bytes", n))
	}
	r = append(r, make([]byte, n-responseSize)...)
	_, err = io.ReadFull(conn, r[responseSize:])
	return r, err
}

// version asks for the version of the interface: a request of another size than
// winbindd's own ends the connection.
func (w *Accounts) version(ctx context.Context) (abi, error) {
	var last error
	for _, size := range []int{2136, 2128} {
		r, err := w.ask(ctx, abi{size: size}.request(cmdVersion, 0, nil))
		if err != nil {
			last = err
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, auth.ErrUnavailable) {
				break
			}
			continue
		}
		a, known := abis[r.u32(atVersion)]
		if !known || a.size != size || !r.ok() {
			return abi{}, auth.Fail(auth.WinbindVersion, auth.ErrUnavailable, "winbindd has version %d of its interface, 31 to 33 (Samba 4.16 to 4.25) are known", r.u32(atVersion))
		}
		return a, nil
	}
	return abi{}, w.unavailable(last)
}

func (w *Accounts) unavailable(err error) error {
	if errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrDenied) {
		return err
	}
	cause := auth.WinbindFailed
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		cause = auth.WinbindSlow
	case errors.Is(err, fs.ErrNotExist):
		cause = auth.WinbindAbsent
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = auth.WinbindStopped
	case errors.Is(err, fs.ErrPermission):
		cause = auth.WinbindAccess
	}
	return auth.Fail(cause, auth.ErrUnavailable, "winbindd: %w", err)
}

// connect finds out about winbindd, once.
func (w *Accounts) connect(ctx context.Context) (abi, auth.Names, error) {
	w.mu.Lock()
	a, names := w.abi, w.names
	w.mu.Unlock()
	if a.size != 0 {
		return a, names, nil
	}
	a, err := w.version(ctx)
	if err != nil {
		return a, names, err
	}
	name := func(cmd uint32) (s string) {
		if err == nil {
			var r response
			if r, err = w.ask(ctx, a.request(cmd, 0, nil)); err == nil && !r.ok() {
				err = garbage("it does not name the host")
			}
			if err == nil {
				s = r.text(atText)
			}
		}
		return s
	}
	names = auth.Names{Computer: name(a.netbios), Domain: name(cmdDomainName)}
	var info response
	if err == nil {
		request := a.request(cmdDomainInfo, 0, nil)
		if err = putText(request[atDomain:], names.Domain); err == nil {
			info, err = w.ask(ctx, request)
		}
	}
	if err != nil {
		return a, names, w.unavailable(err)
	}
	if info.ok() {
		names.DNSDomain = info.text(atAltName)
	} else { // a standalone host, whose accounts are its own
		names.Domain = names.Computer
	}
	names.DNSComputer = strings.ToLower(names.Computer)
	if names.DNSDomain != "" {
		names.DNSComputer += "." + names.DNSDomain
	}
	w.mu.Lock()
	w.abi, w.names = a, names
	w.mu.Unlock()
	return a, names, nil
}

// Names implements auth.Accounts.
func (w *Accounts) Names(ctx context.Context) (auth.Names, error) {
	_, names, err := w.connect(ctx)
	return names, err
}

// forget makes the next question begin anew: another winbindd may be there then.
func (w *Accounts) forget() {
	w.mu.Lock()
	w.abi = abi{}
	w.mu.Unlock()
}

// Logon implements auth.Accounts.
func (w *Accounts) Logon(ctx context.Context, l *auth.Logon) (*auth.Account, error) {
	a, names, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, domain := range domains(l.Domain, names) {
		var request []byte
		if request, err = a.logon(l, domain); err != nil {
			return nil, err
		}
		var r response
		if r, err = w.ask(ctx, request); err != nil {
			break
		}
		var status uint32
		if status, err = r.status(); err == nil {
			return w.account(ctx, a, r)
		}
		if status != noSuchUser && status != noLogonServers && status != noSuchDomain {
			return nil, err
		}
	}
	if !errors.Is(err, auth.ErrDenied) {
		w.forget()
	}
	return nil, w.unavailable(err)
}

// domains are where an account is looked for: in the domain that the client names,
// or that of this host for one that names none (a UPN), then on this host itself.
func domains(client string, names auth.Names) []string {
	if client == "" {
		client = names.Domain
	}
	return slices.Compact([]string{client, names.Computer})
}

// PAC implements auth.Accounts. Anyone may ask a domain for a ticket without a PAC,
// in a name that an account of his own has today: as Samba does, a host of a domain
// wants a PAC. A host that has no winbindd is in no domain.
func (w *Accounts) PAC(ctx context.Context, pac []byte) (*auth.Account, error) {
	a, names, err := w.connect(ctx)
	switch {
	case pac == nil && (errors.Is(err, fs.ErrNotExist) || err == nil && names.DNSDomain == ""):
		return &auth.Account{}, nil
	case err != nil:
		return nil, err
	case pac == nil:
		return nil, fmt.Errorf("%w: the ticket has no PAC, which a member of a domain needs", auth.ErrDenied)
	case len(pac) > maxExtra:
		return nil, fmt.Errorf("%w: PAC of %d bytes", auth.ErrDenied, len(pac))
	}
	r, err := w.ask(ctx, a.request(cmdAuthCRAP, flagPAC|flagInfo3Text, pac))
	if err != nil {
		w.forget()
		return nil, w.unavailable(err)
	}
	if _, err := r.status(); err != nil {
		return nil, err
	}
	return w.account(ctx, a, r)
}

// account reads a good answer, and adds the groups of this host.
func (w *Accounts) account(ctx context.Context, a abi, r response) (*auth.Account, error) {
	who, err := r.account()
	if err != nil {
		return nil, err
	}
	r, err = w.ask(ctx, a.askAliases(who))
	if err != nil {
		return nil, w.unavailable(err)
	}
	return who, addSIDs(who, r.aliases())
}

// status is what winbindd says of a logon.
func (r response) status() (uint32, error) {
	status := r.u32(atStatus)
	switch {
	case r.ok() && status == 0:
		return 0, nil
	case status == noLogonServers:
		return status, auth.Fail(auth.NoController, auth.ErrUnavailable, "winbindd: %s", printable.Text(r.text(atStatusText)))
	}
	cause, ok := causes[status]
	if !ok {
		cause = auth.Refused
	}
	return status, auth.Fail(cause, auth.ErrDenied, "winbindd: %s (0x%08x)", printable.Text(r.text(atStatusText)), status)
}
