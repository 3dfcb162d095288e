// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"msrpcd/pkg/conn/setting"
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

// Defaults of what is not a number, documented in msrpcd.conf(5) and
// msrpcd-rpcd.d(5); numbers have theirs in setting.Table.
const (
	DefaultSambaConfig = "/etc/samba/smb.conf"
	DefaultTestparm    = "testparm" // looked up in PATH
	DefaultKind        = KindSamba
	DefaultActivation  = ActivationBroker
)

// MaxRpcds bounds the rpcds of a host.
const MaxRpcds = 256

// Config is everything that the files of msrpcd say.
type Config struct {
	Global   Global
	Files    []RpcdFile // in basename order, which is priority order
	Problems []Problem
	Masked   map[string]bool // socket units that are masked, by name
}

// Global is msrpcd.conf. Every field has its default where no file sets it.
type Global struct {
	SambaConfig        string // smb.conf, absolute path
	Testparm           string // testparm(1), absolute path or a name to look up in PATH
	MessagingDirectory string // that has msg.sock and msg.lock; "" = found out
	setting.Values            // rows of section Msrpcd
}

// Problem is a mistake in a configuration file, or in what follows from all of
// them and from this host. It stopped nothing.
type Problem struct {
	File   string `json:"file,omitempty"`   // path, as on the system that the configuration is for; "" for no single one
	Line   int    `json:"line,omitempty"`   // from 1; 0 when it concerns the whole file
	What   string `json:"what"`             // what is wrong, and what became of it
	Remedy string `json:"remedy,omitempty"` // what to do, "" where What says it
}

// Place is the file with the line, "" for no file.
func (p Problem) Place() string {
	if p.File == "" || p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Found is what is wrong, and where.
func (p Problem) Found() string {
	if at := p.Place(); at != "" {
		return at + ": " + p.What
	}
	return p.What
}

func (p Problem) String() string {
	if p.Remedy == "" {
		return p.Found()
	}
	return p.Found() + "; " + p.Remedy
}

// RpcdFile is what one file of rpcd.d says, with its drop-ins: a list of
// changes to the rpcds that it is about.
type RpcdFile struct {
	Name    string   // basename without ".conf"
	Path    string   // the file, or its first drop-in where only these exist
	Drops   []string // drop-ins that were read, in order
	Exec    []string // absolute paths or globs; none: the file is about the rpcd called Name
	Changes []Change // in their order, all of them good
}

// Change is a setting of [Rpcd] but Exec=; Value "" gives back the default.
type Change struct{ Key, Value string }

// Rpcd is one rpcd with all settings resolved. Name is that of its program Exec,
// which need not exist.
type Rpcd struct {
	setting.Values // what msrpcd.conf and rpcd.d say; 0 workers, 0 idle time: as its listing says

	Kind       Kind
	Activation string             // ActivationBroker or ActivationDirect
	Transports []layout.Transport // in the order of layout.Transports; nil = the default, see On; empty = no listener
	Prestart   bool               // broker and worker 0 are kept running
	Source     string             // path of the file whose Exec= it is
	Samba      string             // program of Samba of the same name that it stands in for; "" = none
}
