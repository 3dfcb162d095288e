// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"msrpcd/pkg/host/layout"
)

// This file has the values; load.go finds files, syntax.go and setting.go read
// them, resolve.go makes Rpcds, samba.go and testparm.go do smb.conf.

// Kind is the contract that a program fulfils.
type Kind string

// Values of Kind=.
const (
	KindSamba  Kind = "samba"  // unmodified rpcd_* or npsd_* of Samba
	KindNative Kind = "native" // built on pkg/rpc/rpcd, or any other that speaks msrpc-handoff(7)
)

// Values of Activation=.
const (
	ActivationBroker = "broker" // a broker hands connections to workers
	ActivationDirect = "direct" // native only: the one worker has the listeners itself
)

// Defaults, documented in msrpcd.conf(5) and msrpcd-rpcd.d(5).
const (
	DefaultSambaConfig         = "/etc/samba/smb.conf"
	DefaultTestparm            = "testparm" // looked up in PATH
	DefaultMaxUnbound          = 4096       // connections of one rpcd without a complete bind
	DefaultMaxUnboundPerSource = 512        // of these, from one address (TCP, named pipes)
	DefaultMaxUnboundPerUser   = 512        // of these, of one user (ncalrpc)
	DefaultMaxParked           = 16000      // connections in the parking of one rpcd
	MaxMaxParked               = 32000
	DefaultBindTimeoutSec      = 30      // seconds
	DefaultMaxNPASize          = 1 << 20 // bytes
	DefaultKind                = KindSamba
	DefaultActivation          = ActivationBroker
	DefaultSpares              = 32
	DefaultFillFirst           = 0 // off
)

// Bounds of settings. Workers and spares together fit one status file.
const (
	MaxWorkers        = 2048
	MaxSpares         = 2048
	MaxIdleSec        = 7 * 24 * 3600 // seconds
	MaxFillFirst      = 1 << 20       // connections
	MaxMaxUnbound     = 1 << 20       // connections, also for one source and one user
	MaxBindTimeoutSec = 3600          // seconds
	MinMaxNPASize     = 4 << 10       // bytes
	MaxMaxNPASize     = 1 << 20       // bytes, what a hand-over carries
	MaxRpcds          = 256
)

// Config is everything that the files of msrpcd say.
type Config struct {
	Global   Global
	Files    []RpcdFile // in basename order, which is priority order
	Problems []Problem
	Masked   map[string]bool // socket units that are masked, by name
}

// Global is msrpcd.conf. Every field has its default where no file sets it.
type Global struct {
	SambaConfig         string // smb.conf, absolute path
	Testparm            string // testparm(1), absolute path or a name to look up in PATH
	MessagingDirectory  string // that has msg.sock and msg.lock; "" = found out
	MaxUnbound          int    // connections of one rpcd without a complete bind
	MaxUnboundPerSource int    // of these, from one address (TCP, named pipes)
	MaxUnboundPerUser   int    // of these, of one user (ncalrpc)
	MaxParked           int    // connections in the parking of one rpcd
	BindTimeoutSec      int    // seconds that a client has to complete its bind
	MaxNPASize          int    // bytes of the longest named pipe auth request
}

// Problem is a mistake in a configuration file, or in what follows from all of
// them. It stopped nothing.
type Problem struct {
	File string // path, as on the system that the configuration is for; "" for no single one
	Line int    // from 1; 0 when it concerns the whole file
	Text string // what is wrong, what became of it, and what to do
}

func (p Problem) String() string {
	if p.File == "" {
		return p.Text
	}
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// RpcdFile is what one file of rpcd.d says, with its drop-ins. A nil field was
// not set: it leaves what files before it say.
type RpcdFile struct {
	Name  string   // basename without ".conf"
	Path  string   // the file, or its first drop-in where only these exist
	Drops []string // drop-ins that were read, in order
	Exec  []string // absolute paths or globs; none: the file is about the rpcd called Name

	Kind       *Kind
	Activation *string
	Workers    *int
	Spares     *int
	IdleSec    *int
	Port       *int
	Transports *[]layout.Transport // nil inside = the default; empty = none
	Prestart   *bool
	FillFirst  *int
}

// Rpcd is one rpcd with all settings resolved.
type Rpcd struct {
	Name       string // layout.ValidName holds
	Exec       string // absolute path of the program; it need not exist
	Kind       Kind
	Activation string             // ActivationBroker or ActivationDirect
	Workers    int                // ordinary workers; 0 = as its listing says
	Spares     int                // workers beyond these, for NEED_IDLE clients
	IdleSec    int                // seconds; 0 = as its listing says
	Port       int                // TCP port; 0 = allocated
	Transports []layout.Transport // in the order of layout.Transports; nil = the default, see On; empty = no listener
	Prestart   bool               // broker and worker 0 are kept running
	FillFirst  int                // connections per worker before the next is used; 0 = spread
	Source     string             // path of the file whose Exec= it is
	Samba      string             // program of Samba of the same name that it stands in for; "" = none
}
