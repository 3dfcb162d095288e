// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"fmt"
	"strconv"
	"strings"

	"msrpcd/pkg/wire/binding"
)

// This file owns string bindings (C706 appendix I), without object UUID and
// without network options. What ParseBinding returns has passed its grammar.

// maxBinding is the longest string binding, in bytes: a host name and a path.
const maxBinding = 512

// ParseBinding reads a string binding:
//
//	ncacn_ip_tcp:HOST[PORT]   ncacn_ip_tcp:[PORT] on this host; an IPv6 address as it is, or in brackets
//	ncacn_ip_tcp:HOST         whose endpoint the mapper of HOST knows
//	ncalrpc:[NAME]            ncalrpc:[/run/samba/ncalrpc/NAME]
func ParseBinding(s string) (binding.Binding, error) {
	refuse := func(why string) (binding.Binding, error) {
		return binding.Binding{}, fmt.Errorf("binding %.80q: %s", s, why)
	}
	if len(s) > maxBinding {
		return refuse(fmt.Sprintf("it is longer than %d bytes", maxBinding))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return refuse("it has a blank or a character that is not ASCII")
		}
	}
	protseq, rest, ok := strings.Cut(s, ":")
	if !ok {
		return refuse("no protocol sequence; write ncacn_ip_tcp:HOST[PORT] or ncalrpc:[NAME]")
	}
	b := binding.Binding{Protseq: protseq}
	switch protseq {
	case binding.TCP, binding.Ncalrpc:
	case binding.NP:
		return refuse("named pipes belong to an SMB client; write ncacn_ip_tcp:HOST[PORT] or ncalrpc:[NAME]")
	default:
		return refuse("this protocol sequence is not known; write ncacn_ip_tcp:HOST[PORT] or ncalrpc:[NAME]")
	}
	b.Host, b.Endpoint, ok = cutEndpoint(rest)
	if !ok {
		return refuse("its brackets do not match")
	}
	if strings.ContainsAny(b.Host+b.Endpoint, "[]@,=") {
		return refuse("object UUIDs and options are not taken")
	}
	if protseq == binding.Ncalrpc {
		switch {
		case b.Host != "":
			return refuse("ncalrpc is on this host; write ncalrpc:[NAME]")
		case b.Endpoint == "":
			return refuse("no endpoint; write ncalrpc:[NAME]")
		case strings.Contains(b.Endpoint, "/") && b.Endpoint[0] != '/', b.Endpoint == ".", b.Endpoint == "..":
			return refuse("the endpoint is neither a name nor an absolute path")
		}
		return b, nil
	}
	if strings.ContainsAny(b.Host, `/\`) {
		return refuse("the host is not a name or an address")
	}
	if b.Endpoint != "" {
		port, err := strconv.ParseUint(b.Endpoint, 10, 16)
		if err != nil || port == 0 {
			return refuse("the endpoint is not a port from 1 to 65535")
		}
		b.Endpoint = strconv.FormatUint(port, 10)
	}
	return b, nil
}

// cutEndpoint takes HOST[ENDPOINT] apart. Only an IPv6 address has colons, so
// that it, in brackets, is distinguished from an endpoint.
func cutEndpoint(s string) (host, endpoint string, ok bool) {
	if inside, found := strings.CutPrefix(s, "["); found {
		if address, rest, found := strings.Cut(inside, "]"); found && strings.Contains(address, ":") {
			host, s = address, rest
			if s == "" {
				return host, "", true
			}
		}
	}
	if s == "" {
		return host, "", true
	}
	before, inside, found := strings.Cut(s, "[")
	if !found {
		return s, "", host == ""
	}
	endpoint, found = strings.CutSuffix(inside, "]")
	if host == "" {
		host = before
	} else if before != "" {
		return "", "", false
	}
	return host, endpoint, found
}
