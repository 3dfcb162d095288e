// SPDX-License-Identifier: Apache-2.0

package layout

import "testing"

func TestATransportIsFoundByItsProtocolSequence(t *testing.T) {
	for _, tr := range Transports {
		if got, ok := TransportOf(tr.Protseq()); !ok || got != tr || !tr.Valid() {
			t.Errorf("%s: %s is %q, %v", tr, tr.Protseq(), got, ok)
		}
	}
	for _, other := range []string{"", "ncacn_http", "np"} {
		if got, ok := TransportOf(other); ok {
			t.Errorf("%q is %s", other, got)
		}
	}
	if other := Transport("http"); other.Valid() || other.Protseq() != "" {
		t.Errorf("%s is a transport", other)
	}
}

func TestEachClientIsIdentifiedInOneWay(t *testing.T) {
	for _, tr := range Transports {
		ways := 0
		for _, way := range []bool{tr.IP(), tr.Relayed(), tr.Local()} {
			if way {
				ways++
			}
		}
		if ways != 1 || tr.Framed() && tr.Prefix() == "" {
			t.Errorf("%s: %d ways", tr, ways)
		}
	}
}
