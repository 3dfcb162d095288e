// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
)

// toyAuth knows one service, two tokens to pass, a keyed hash as signature and
// an exclusive or as cipher: enough to see what is signed and enciphered.
type toyAuth struct {
	service byte
	account string        // "": somebody
	wait    chan struct{} // nil: a step waits for nothing
	last    string        // the server's answer to the second token
}

type toyContext struct {
	toyAuth
	level byte
	steps int
	dead  bool
}

const toyService = 77

func (t toyAuth) Service() byte {
	if t.service != 0 {
		return t.service
	}
	return toyService
}

func (t toyAuth) Begin(level byte) (auth.Context, error) {
	return &toyContext{toyAuth: t, level: level}, nil
}

func (t toyAuth) Restore(state []byte) (auth.Context, error) {
	if len(state) != 1 {
		return nil, auth.ErrState
	}
	return &toyContext{toyAuth: t, level: state[0], steps: 2}, nil
}

func (t *toyContext) Step(ctx context.Context, token []byte) ([]byte, bool, error) {
	if t.steps++; strings.TrimRight(string(token), "\x00") != fmt.Sprint("token", t.steps) {
		return nil, false, auth.ErrToken
	}
	if t.wait != nil {
		select {
		case <-t.wait:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	if t.steps == 2 {
		return []byte(t.last), true, nil
	}
	return []byte("answer"), false, nil
}

func (t *toyContext) Caller() *auth.Caller {
	if t.account != "" {
		return &auth.Caller{Service: t.Service(), Domain: "TOY", Account: t.account}
	}
	return &auth.Caller{Service: t.Service(), Domain: "TOY", Account: "somebody", SIDs: []npa.SID{npa.SIDAdministrators}, SessionKey: []byte("key")}
}

func (t *toyContext) SignatureSize() int {
	if auth.Protects(t.level) {
		return 16
	}
	return 0
}

func toyMAC(f auth.Fragment) []byte {
	m := hmac.New(sha256.New, []byte("key"))
	m.Write(f.Signed())
	return m.Sum(nil)[:16]
}

func (t *toyContext) xor(b []byte) {
	if t.level == dcerpc.LevelPrivacy {
		for i := range b {
			b[i] ^= 0x5a
		}
	}
}

func (t *toyContext) Unprotect(f auth.Fragment) error {
	if t.xor(f.Stub()); t.dead || !hmac.Equal(f.Value(), toyMAC(f)) {
		return auth.ErrSignature
	}
	return nil
}

func (t *toyContext) Protect(f auth.Fragment) error {
	copy(f.Value(), toyMAC(f))
	t.xor(f.Stub())
	return nil
}

func (t *toyContext) Save(dst []byte) ([]byte, error) { return append(dst, t.level), nil }
func (t *toyContext) Close()                          { t.dead = true }
