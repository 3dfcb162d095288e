// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns calls of authenticated clients: the native endpoint mapper and
// Samba's, each client authenticated once.

const titleSecured = "Protected calls on the endpoint mapper"

// setUpAccounts gives both sides the user and the key that authload uses.
const setUpAccounts = `mkdir -p -m 700 /etc/credstore
printf 'Password\nPassword\n' | smbpasswd -s -a root
pdbedit -L -w >/etc/credstore/msrpc.nthashes
/tools/authload -make-keytab /etc/krb5.keytab
ln -sf /etc/krb5.keytab /etc/credstore/krb5.keytab`

const securedClients = 4

func (b *bench) securedCalls() error {
	for _, box := range []*sandbox.Box{b.ours, b.stock} {
		if err := sh(box, setUpAccounts); err != nil {
			return err
		}
	}
	if err := sh(b.stock, setUpStock); err != nil { // reads the keytab when it starts
		return err
	}
	b.secured("no authentication", true) // as at level connect
	for _, mechanism := range []string{"ntlm", "krb5"} {
		b.secured(mechanism+" sign", false, "-mechanism", mechanism, "-level", "5")
		b.secured(mechanism+" seal", true, "-mechanism", mechanism, "-level", "6")
	}
	return nil
}

// secured compares null calls, and listings.
func (b *bench) secured(what string, lists bool, args ...string) {
	args = append([]string{"authload"}, args...)
	b.securedCall(report.SecuredNull+what, args)
	if lists {
		b.securedCall(report.SecuredList+what, slices.Concat(args, []string{"-entries", "100"}))
	}
}

func (b *bench) securedCall(what string, args []string) {
	b.res.Secured = append(b.res.Secured, b.compare(what, titleSecured+": "+what, []int{securedClients},
		contender{report.WhoDirect, b.ours, groupEpmapper, args}, contender{report.WhoStock, b.stock, groupStock, args}))
}
