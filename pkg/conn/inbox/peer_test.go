// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"bytes"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
)

func FuzzAgrees(f *testing.F) {
	f.Add([]byte(`ncacn_np:[\pipe\winreg]`), []byte("/run/samba/ncalrpc/np/winreg"), true)
	f.Add([]byte("ncalrpc:[DEFAULT]"), []byte("DEFAULT"), false)
	f.Add([]byte("ncacn_np:[]"), []byte(""), true)
	f.Fuzz(func(t *testing.T, binding, path []byte, np bool) {
		p := Peer{Transport: layout.Ncalrpc, Path: path}
		if np {
			p.Transport = layout.NP
		}
		if !p.Agrees(binding) {
			return
		}
		// Go's simple folding may pair runes of different lengths.
		_, endpoint, _ := strings.Cut(strings.TrimSuffix(string(binding), "]"), ":[")
		if np {
			endpoint = endpoint[len(`\pipe\`):]
		}
		if !strings.EqualFold(endpoint, string(path[bytes.LastIndexByte(path, '/')+1:])) {
			t.Errorf("%q agrees with %q", binding, path)
		}
	})
}
