// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"fmt"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/uuid"
)

// Bounds of a listing. Real ones have at most 8 interfaces in 2 KiB.
const (
	MaxSize       = 256 << 10 // bytes of text that Parse takes
	MaxInterfaces = 256       // interfaces of one rpcd
	MaxBindings   = 64        // bindings of one interface
	MaxPipes      = 256       // pipes of one npsd
	MaxName       = 64        // bytes of an interface's name
	MaxEndpoint   = 80        // bytes of a pipe's or ncalrpc endpoint's node name
	MaxWorkers    = 65535     // num_workers; a worker's index has 16 bits at most
	MaxIdleSec    = 1<<31 - 1 // idle_seconds, seconds
)

// Listing is what one rpcd says about itself. No interface and no pipe is
// valid: such an rpcd serves nothing here (rpcd_lsad on a domain controller,
// rpcd_witness without a cluster). A listing has interfaces or pipes, not both.
type Listing struct {
	Workers    int         // ordinary workers, 1 to MaxWorkers
	IdleSec    int         // seconds after which an idle worker ends, 0 to MaxIdleSec
	Interfaces []Interface `json:",omitempty"`
	Pipes      []Pipe      `json:",omitempty"` // npsd_* only
}

// Interface is one DCE/RPC interface and where it is reached.
type Interface struct {
	UUID     UUID
	Version  uint32            // minor<<16 | major, printed as 0x%08x (C706 section 12.6.3.1)
	Name     string            // C identifier of the IDL, such as "winreg"
	Bindings []binding.Binding // without hosts; others than this program knows are kept
}

// Pipe is a named pipe without DCE/RPC. The three numbers go into the answer
// to a client's named pipe auth request.
type Pipe struct {
	Name        string // lower-case node below np/, such as "tsvcpipe"
	FileType    uint16 // MS-CIFS 2.2.1.1.2, 1 byte mode, 2 message mode
	DeviceState uint16 // MS-CIFS 2.2.1.3
	Allocation  uint64 // allocation size, bytes
}

// UUID is an interface's identity, in the order of its text.
type UUID = uuid.UUID

// ParseUUID reads the 36-byte form, in any case of letters.
func ParseUUID(s string) (UUID, error) { return uuid.Parse(s) }

// SyntaxError says what is wrong with a listing and where.
type SyntaxError struct {
	Line int    // from 1; 0 when it concerns the whole text
	Msg  string // what is wrong, with the offending text quoted and cut
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}
