// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"time"

	"msrpcd/pkg/conn/source"
)

// Values has a field for each row of Table.
type Values struct {
	Name      string        // of the rpcd
	Index     int           // of the worker, high bits of its association group ids
	Workers   int           // ordinary workers
	Spares    int           // indices that follow the workers', for NEED_IDLE clients
	IndexBits int           // high bits of an association group id that hold the index
	Idle      time.Duration // without connection, until the process ends; 0 in a process: never
	FillFirst int           // connections put into a worker before the next; 0: spread
	Port      int           // TCP port of bindings that name none; 0: allocated

	NPDir      string // parent of the nodes of named pipes
	NcalrpcDir string // parent of the nodes of ncalrpc endpoints

	Limits      [source.Resources]source.Limit // of clients
	BindTimeout time.Duration                  // that a client has to complete its bind
	MaxNPA      int                            // bytes of a named pipe auth request
	MaxParked   int                            // connections in the parking; 0: as many as fit

	PlainPipes string // pipes without DCE/RPC, "name:type:state:allocation ..."

	Exec         string // the unmodified rpcd_*
	ExecID       string // size:mtime:inode of the program that has SambaVersion; "": not known
	SmbConf      string // smb.conf
	MessagingDir string // parent of msg.sock
	LockDir      string // parent of msg.lock
	SambaVersion string // "4.17.12"; "": the program is asked
	NetbiosName  string // logon server of anonymous sessions
	Logging      string // "logging" of the rpcd; "": as smb.conf says
	GuestAccount string // "guest account" of smb.conf
	DebugLevel   string // of the program; "": "log level" of smb.conf

	WinbindPipe string // the privileged pipe of winbindd
	WithoutMIC  bool   // clients of NTLM that send no MIC are served too
}
