// SPDX-License-Identifier: Apache-2.0

// Command echocall is a client of rpcecho: it makes every call over a binding,
// in NDR and NDR64 and in both byte orders, and checks what comes back. It
// shows that a native rpcd serves where no client of Samba's is installed.
package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

var (
	rpcecho = dcerpc.SyntaxID{UUID: uuid.MustParse("60a15ec5-4de8-11d7-a637-005056a20182"), Version: 1}
	names   = map[ndr.Format]string{0: "NDR", ndr.BigEndian: "NDR big-endian", ndr.NDR64: "NDR64"}
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: echocall BINDING...")
		os.Exit(2)
	}
	for _, binding := range os.Args[1:] {
		for _, f := range []ndr.Format{0, ndr.BigEndian, ndr.NDR64} {
			n, err := session(binding, f)
			if err != nil {
				fmt.Fprintf(os.Stderr, "echocall: %s, %s: %v\n", binding, names[f], err)
				os.Exit(1)
			}
			fmt.Printf("%s: %d calls answered as they should be (%s)\n", binding, n, names[f])
		}
	}
}

// session makes all calls on one connection.
func session(text string, f ndr.Format) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := rpcclient.ParseBinding(text)
	if err != nil {
		return 0, err
	}
	c, err := rpcclient.Dial(ctx, b, rpcclient.Options{Format: f})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Bind(ctx, 0, rpcecho); err != nil {
		return 0, err
	}
	for _, k := range calls {
		in, want := ndr.NewEncoder(nil, f), ndr.NewEncoder(nil, f)
		k.in(&in)
		k.out(&want)
		got, _, err := c.CallStub(ctx, rpcclient.Operation{Interface: rpcecho, Opnum: k.opnum}, in.Bytes())
		if err != nil {
			return n, fmt.Errorf("%s: %w", k.name, err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			return n, fmt.Errorf("%s returns %s, not %s", k.name, short(got), short(want.Bytes()))
		}
		n++
	}
	return n, nil
}

func short(b []byte) string {
	const most = 40
	if len(b) <= most {
		return hex.EncodeToString(b)
	}
	return fmt.Sprintf("%x... (%d bytes)", b[:most], len(b))
}
