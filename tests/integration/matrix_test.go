// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"maps"
	"strings"
)

// This file owns the ways in which clients of a domain authenticate themselves to
// native rpcds: transport, mechanism, level, byte order and transfer syntax.

// combination is one way to run a suite.
type combination struct {
	suite, transport, level, mechanism string
	bigendian, ndr64                   bool
}

var (
	matrixSuites = []string{"rpc.echo", "rpc.epmapper", "rpc.mgmt", "rpc.bind"}
	transports   = []string{"ncacn_ip_tcp", "ncacn_np", "ncalrpc", "ncacn_ip_tcp"}
	mechanisms   = []string{"ntlm", "krb5", "spnego/ntlm", "spnego/krb5"}
)

// combinations are all of them, or 16 in which each pair of values of two properties
// comes up: the rows of an orthogonal array over the field of four elements.
func combinations() (list []combination) {
	add := func(suite, transport, level, mechanism, format int) {
		list = append(list, combination{matrixSuites[suite], transports[transport], levels[level], mechanisms[mechanism], format&1 != 0, format&2 != 0})
	}
	if !compareAll {
		double := [4]int{0, 2, 3, 1}
		for a := range 4 {
			for b := range 4 {
				add(a, a^double[b], b, a^b, a^b^double[b])
			}
		}
		return list
	}
	for n := range 4 * 4 * 4 * 4 * 3 {
		add(n&3, n>>8, n>>2&3, n>>4&3, n>>6&3)
	}
	return list
}

// binding is how Samba's clients write it.
func (c combination) binding() string {
	host, options := memberName, []string{c.level}
	mechanism, _, _ := strings.Cut(c.mechanism, "/")
	options = append(options, mechanism)
	if c.transport == "ncalrpc" {
		host, options = "", append(options, "target_principal=host/"+memberName+"@"+realm) // there is no host
	}
	if c.bigendian {
		options = append(options, "bigendian")
	}
	if c.ndr64 {
		options = append(options, "ndr64")
	}
	return fmt.Sprintf("%s:%s[%s]", c.transport, host, strings.Join(options, ","))
}

// run is a run as a user of the domain.
func (c combination) run() suiteRun {
	kerberos := "off"
	if strings.HasSuffix(c.mechanism, "krb5") {
		kerberos = "required"
	}
	return suiteRun{c.suite, c.binding(), admin, kerberos}
}

// matrix runs the suites each in its ways, those of a kind one after the other.
func (h *host) matrix(suites ...string) map[suiteRun]tortured {
	all := make(chan map[suiteRun]tortured)
	for _, suite := range suites {
		var runs []suiteRun
		for _, c := range combinations() {
			if c.suite == suite {
				runs = append(runs, c.run())
			}
		}
		go func() { all <- h.results(runs) }()
	}
	results := map[suiteRun]tortured{}
	for range suites {
		maps.Copy(results, <-all)
	}
	return results
}

// kerberosSuites runs what a standalone host is compared by with Kerberos.
func (h *host) kerberosSuites() map[suiteRun]tortured {
	var runs []suiteRun
	for i, suite := range h.suites() {
		options := levels[i/4%4] + "," + []string{"krb5", "spnego"}[(i/4+i)%2]
		if compareAll || i%4 == 1 {
			runs = append(runs, suiteRun{suite, "ncacn_np:" + memberName + "[" + options + "]", admin, "required"})
		}
	}
	return h.results(runs)
}
