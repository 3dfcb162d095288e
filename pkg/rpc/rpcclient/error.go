// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"errors"
	"fmt"

	"msrpcd/pkg/wire/dcerpc"
)

// This file owns what a server can answer instead of what was asked for.

// Nak is a bind_nak: the server refused the connection as a whole.
type Nak struct {
	Reason   uint16 // one of dcerpc.Reason...
	Versions []byte // major and minor of each version that the server supports
}

func (e *Nak) Error() string { return "the server refuses the bind: " + dcerpc.ReasonName(e.Reason) }

// Refused is a presentation context that was not accepted. The connection and
// the contexts beside it are good.
type Refused struct {
	Interface dcerpc.SyntaxID
	Result    dcerpc.Result
}

func (e *Refused) Error() string {
	return fmt.Sprintf("interface %s is %s", interfaceText(e.Interface), e.Result)
}

// Fault is a fault: the call failed on the server. The connection is good.
// errors.Is finds its Status.
type Fault struct {
	Status      dcerpc.Status
	NotExecuted bool   // the server promises that the call had no effect
	Stub        []byte // extended error information, or what the interface defines
}

func (e *Fault) Error() string { return e.Status.Error() }

// Unwrap gives the status to errors.Is.
func (e *Fault) Unwrap() error { return e.Status }

// Errors after which a Conn takes no more calls.
var (
	// ErrClosed: the server closed the connection instead of an answer.
	ErrClosed = errors.New("the server closed the connection")
	// ErrTimeout: there was no complete answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrShutdown: the server asked to end the connection.
	ErrShutdown = errors.New("the server shuts the connection down; connect again")
	// ErrAnswer: the answer does not belong to what was asked, or breaks the protocol.
	ErrAnswer = errors.New("the server breaks the protocol")
)

// ErrUnbound says that no presentation context was accepted for the interface of a call.
var ErrUnbound = errors.New("the interface is not bound")

// interfaceText is UUID/MAJOR.MINOR.
func interfaceText(s dcerpc.SyntaxID) string {
	return fmt.Sprintf("%s/%d.%d", s.UUID, s.Major(), s.Minor())
}

// broken is an answer that breaks the protocol.
func broken(why string) error { return fmt.Errorf("%w: %s", ErrAnswer, why) }
