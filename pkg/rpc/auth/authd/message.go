// SPDX-License-Identifier: Apache-2.0

package authd

// This file owns the messages between an rpcd and msrpc-auth, one packet each.

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"msrpcd/pkg/rpc/auth"
)

const (
	version = 1
	// maxState is what fits into a packet of the default size of a socket's buffer
	// (net.core.wmem_default).
	maxState  = 128 << 10
	maxPacket = 5 + auth.MaxToken + maxState
	headSize  = 3
)

// request is a token, and what it is for, which is the same in all of a handshake.
type request struct {
	service, level byte
	token          []byte
}

func (q request) append(b []byte) []byte {
	return append(append(b, version, q.service, q.level), q.token...)
}

func parseRequest(b []byte) (q request, ok bool) {
	if len(b) < headSize || len(b) > headSize+auth.MaxToken || b[0] != version {
		return q, false
	}
	return request{b[1], b[2], b[headSize:]}, true
}

// Verdicts.
const (
	goOn = iota
	done
	denied
	unavailable
	malformed
)

// answer is what became of a token. After an error reply is its cause, the account and
// its text, with zeros between.
type answer struct {
	verdict byte
	reply   []byte
	state   []byte // of a context that is done
}

// answerOf makes the answer that is an error.
func answerOf(err error) answer {
	f := auth.FailureOf(err)
	a := answer{verdict: malformed, reply: []byte(string(f.Cause) + "\x00" + f.Account + "\x00" + err.Error())}
	switch {
	case errors.Is(err, auth.ErrDenied):
		a.verdict = denied
	case errors.Is(err, auth.ErrUnavailable):
		a.verdict = unavailable
	}
	return a
}

// err is the error that an answer is, nil for none.
func (a answer) err() error {
	kind := auth.ErrToken
	switch a.verdict {
	case goOn, done:
		return nil
	case denied:
		kind = auth.ErrDenied
	case unavailable:
		kind = auth.ErrUnavailable
	}
	text := string(a.reply)
	f := &auth.Failure{Cause: auth.Refused}
	if parts := strings.SplitN(text, "\x00", 3); len(parts) == 3 {
		f.Cause, f.Account, text = auth.Cause(parts[0]), parts[1], parts[2]
	}
	f.Err = remoteError{kind, text}
	return f
}

// remoteError has the text of an error of another process.
type remoteError struct {
	kind error
	text string
}

func (e remoteError) Error() string { return e.text }
func (e remoteError) Unwrap() error { return e.kind }

func (a answer) append(b []byte) []byte {
	b = slices.Grow(b, 5+len(a.reply)+len(a.state))
	b = binary.LittleEndian.AppendUint32(append(b, a.verdict), uint32(len(a.reply)))
	return append(append(b, a.reply...), a.state...)
}

func parseAnswer(b []byte) (a answer, err error) {
	if len(b) >= 5 {
		a.verdict = b[0]
		if n := uint64(binary.LittleEndian.Uint32(b[1:])); a.verdict <= malformed && n <= uint64(len(b)-5) {
			a.reply, a.state = b[5:5+n:5+n], b[5+n:]
			return a, nil
		}
	}
	return answer{}, unreachable("msrpc-auth is of another version")
}
