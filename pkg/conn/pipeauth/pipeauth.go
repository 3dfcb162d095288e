// SPDX-License-Identifier: Apache-2.0

package pipeauth

import (
	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
)

// Outcome is how far a request has come.
type Outcome uint8

const (
	Whole   Outcome = iota
	Part            // the rest is still to come
	Gone            // the client has closed
	Refused         // a Reject says why
)

// Receive reads what is there of the request that begins with request, up to max
// bytes of it, through buf, and returns all that has come.
func Receive(fd int, request, buf []byte, max int) ([]byte, Outcome, *npa.Reject) {
	for {
		want, rej := npa.Length(request, max)
		switch {
		case rej != nil:
			return request, Refused, rej
		case want == 0: // the length is not there yet
			want = npa.HeaderSize
		case want == len(request):
			return request, Whole, nil
		case want < len(request):
			return request, Refused, npa.RejectLength
		}
		n, errno := sys.Recv(fd, buf[:min(want-len(request), len(buf))], 0)
		switch {
		case errno == unix.EAGAIN:
			return request, Part, nil
		case errno != 0 || n == 0:
			return request, Gone, nil
		}
		request = append(request, buf[:n]...)
	}
}

// Pipe is what a reply says of a named pipe.
type Pipe struct {
	FileType, DeviceState uint16
	Allocation            uint64
}

// RPC is a pipe with DCE/RPC.
var RPC = Pipe{FileType: npa.FileTypeMessage, DeviceState: npa.DeviceState, Allocation: npa.Allocation}

// Accept answers a request of this level, and reports whether the client has the
// answer.
func (p *Pipe) Accept(fd int, level uint32) bool {
	var room [npa.ReplySize]byte
	reply := npa.AppendReply(room[:0], level, p.FileType, p.DeviceState, p.Allocation, npa.StatusOK)
	n, errno := sys.Send(fd, reply)
	return errno == 0 && n == len(reply)
}

// Refuse answers a request that is refused, if there is an answer to it.
func Refuse(fd int, rej *npa.Reject) {
	if rej.Reply != nil {
		sys.Send(fd, rej.Reply)
	}
}
