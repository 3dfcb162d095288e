// SPDX-License-Identifier: Apache-2.0

package ccache

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/client"
	"github.com/oiweiwei/gokrb5.fork/v9/config"
	"github.com/oiweiwei/gokrb5.fork/v9/credentials"

	"msrpcd/pkg/rpc/auth/krb5"
)

// Errors, wrapped with what happened.
var (
	ErrNoTicket = errors.New("there is no ticket")                     // kinit helps
	ErrService  = errors.New("the KDC does not know the server")       // another name, or its domain
	ErrClock    = errors.New("clocks of this host and the KDC differ") // more than the KDC allows
	ErrKDC      = errors.New("the KDC cannot be asked")
)

// maxCache is the longest cache and configuration that is read, in bytes.
const maxCache = 1 << 20

// Path is the file of the cache that a variable's value names, "" for the default.
func Path(name string) (string, error) {
	if name == "" {
		return "/tmp/krb5cc_" + strconv.Itoa(os.Getuid()), nil
	}
	if path, ok := strings.CutPrefix(name, "FILE:"); ok {
		return path, nil
	}
	if !strings.Contains(name, ":") {
		return name, nil
	}
	return "", fmt.Errorf("%w: credential cache %.100q is not a file; set KRB5CCNAME=FILE:PATH", ErrNoTicket, name)
}

// Ticket is that of the cache's client for a service, such as "host/server.example".
// getenv is os.Getenv; of KRB5CCNAME and KRB5_CONFIG it has the cache and the
// configuration of Kerberos.
func Ticket(service string, getenv func(string) string) (c *krb5.Client, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("%w: the credential cache, or what the KDC answers, is not understood (%v)", ErrNoTicket, r)
		}
	}()
	path, err := Path(getenv("KRB5CCNAME"))
	if err != nil {
		return nil, err
	}
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: credential cache %w", ErrNoTicket, err)
	}
	defer clear(b)
	var cache credentials.CCache
	if err := cache.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("%w: credential cache %s: %w", ErrNoTicket, path, err)
	}
	conf, err := configuration(getenv("KRB5_CONFIG"))
	if err != nil {
		return nil, err
	}
	if len(cache.GetEntries()) > 0 && !anyValid(&cache) {
		return nil, fmt.Errorf("%w: all in credential cache %s have expired", ErrNoTicket, path)
	}
	from, err := client.NewFromCCacheOptionalTGT(&cache, conf, client.DisablePAFXFAST(true))
	if err != nil {
		return nil, fmt.Errorf("%w: credential cache %s: %w", ErrNoTicket, path, err)
	}
	defer from.Destroy()
	ticket, session, err := from.GetServiceTicket(service)
	if err != nil {
		return nil, explain(service, err)
	}
	return &krb5.Client{Name: cache.DefaultPrincipal.PrincipalName, Realm: cache.DefaultPrincipal.Realm, Ticket: ticket, Session: session}, nil
}

func anyValid(c *credentials.CCache) bool {
	for _, e := range c.GetEntries() {
		if time.Now().Before(e.EndTime) {
			return true
		}
	}
	return false
}

func readFile(path string) ([]byte, error) {
	s, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !s.Mode().IsRegular() || s.Size() > maxCache {
		return nil, fmt.Errorf("%s is not a file of up to %d bytes", path, maxCache)
	}
	return os.ReadFile(path)
}

// configuration reads the first file that there is. Of what it does not know the
// library makes an error after it has read the rest.
func configuration(paths string) (*config.Config, error) {
	if paths == "" {
		paths = "/etc/krb5.conf"
	}
	for path := range strings.SplitSeq(paths, ":") {
		b, err := readFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := config.NewFromString(string(b))
		if unknown := (config.UnsupportedDirective{}); err != nil && !errors.As(err, &unknown) {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !strings.Contains(string(b), "dns_lookup_kdc") {
			c.LibDefaults.DNSLookupKDC = true // as other clients do
		}
		return c, nil
	}
	c := config.New()
	c.LibDefaults.DNSLookupKDC = true
	return c, nil
}

// explain makes one of the package's errors of what the library says. It keeps the
// text of a KDC's error alone.
func explain(service string, err error) error {
	text := err.Error()
	for _, e := range []struct {
		part string
		kind error
	}{
		{"KDC_ERR_S_PRINCIPAL_UNKNOWN", ErrService}, {"KRB_AP_ERR_SKEW", ErrClock},
		{"KRB_AP_ERR_TKT_EXPIRED", ErrNoTicket}, {"KRB_AP_ERR_TKT_NYV", ErrNoTicket}, {"KDC_ERR_NEVER_VALID", ErrNoTicket},
		{"KDC_Error", ErrKDC}, {"Networking_Error", ErrKDC}, {"KDCs", ErrKDC},
	} {
		if strings.Contains(text, e.part) {
			return fmt.Errorf("%w: service %s: %w", e.kind, service, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrNoTicket, err)
}
