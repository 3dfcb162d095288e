// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// Options is what a worker's unit tells the adaptor.
type Options struct {
	Name         string        // of the rpcd
	Index        int           // of the worker, high bits of its association group ids
	Exec         string        // the unmodified rpcd_*
	SmbConf      string        // smb.conf
	SambaVersion string        // "4.17.12"; "" = ask the program
	ExecID       string        // ExecID of the program whose version this is; "" = not told
	MessagingDir string        // parent of msg.sock
	LockDir      string        // parent of msg.lock
	NPDir        string        // parent of the nodes of named pipes
	NcalrpcDir   string        // parent of the nodes of ncalrpc endpoints
	NetbiosName  string        // logon server of anonymous sessions
	GuestAccount string        // "guest account" of smb.conf
	Idle         time.Duration // exit after this long without a connection; 0 = never
	DebugLevel   int           // of the rpcd; -1 = "log level" of smb.conf
}

// Usage is the text of --help.
const Usage = `Usage: msrpc-samba-worker --name NAME --index N --exec PROGRAM [OPTION]...

Runs one unmodified Samba rpcd_* and gives it the connections that arrive in
the inbox passed by the service manager. Started by msrpc-worker-NAME@N.service.

  --name NAME            NAME of the rpcd, as in unit names
  --index N              index of this worker
  --exec PROGRAM         the program, such as /usr/libexec/samba/rpcd_winreg
  --smb-conf FILE        smb.conf of the program (default /etc/samba/smb.conf)
  --samba-version X.Y.Z  version of the program (default: the program is asked)
  --exec-id ID           size:mtime:inode of the program with this version;
                         another program there is asked for its version
  --messaging-dir DIR    directory that holds msg.sock
  --lock-dir DIR         directory that holds msg.lock (default: the same)
  --np-dir DIR           directory of the named pipes' sockets
  --ncalrpc-dir DIR      directory of ncalrpc sockets (default: parent of --np-dir)
  --netbios-name NAME    NetBIOS name of this host
  --guest-account USER   guest account of smb.conf (default nobody)
  --idle-sec N           exit after N seconds without a connection, 0: never
                         (default 60)
  --debug-level N        debug level of the program (default: as smb.conf says)
  --help                 show this text

See msrpc-samba-worker(8).
`

// ParseOptions reads the command line without the program's name. flag.ErrHelp
// is returned for --help.
func ParseOptions(args []string) (Options, error) {
	var o Options
	var idle int
	f := newFlags(&o, &idle)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see --help", f.Arg(0))
	}
	o.Idle = time.Duration(idle) * time.Second
	if o.LockDir == "" {
		o.LockDir = o.MessagingDir
	}
	o.NPDir = filepath.Clean(o.NPDir)
	if o.NcalrpcDir == "" {
		o.NcalrpcDir = filepath.Dir(o.NPDir)
	}
	o.NcalrpcDir = filepath.Clean(o.NcalrpcDir)
	return o, o.check(idle)
}

func newFlags(o *Options, idle *int) *flag.FlagSet {
	f := flag.NewFlagSet("msrpc-samba-worker", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.Name, "name", "", "")
	f.IntVar(&o.Index, "index", -1, "")
	f.StringVar(&o.Exec, "exec", "", "")
	f.StringVar(&o.SmbConf, "smb-conf", "/etc/samba/smb.conf", "")
	f.StringVar(&o.SambaVersion, "samba-version", "", "")
	f.StringVar(&o.ExecID, "exec-id", "", "")
	f.StringVar(&o.MessagingDir, "messaging-dir", "", "")
	f.StringVar(&o.LockDir, "lock-dir", "", "")
	f.StringVar(&o.NPDir, "np-dir", "", "")
	f.StringVar(&o.NcalrpcDir, "ncalrpc-dir", "", "")
	f.StringVar(&o.NetbiosName, "netbios-name", "", "")
	f.StringVar(&o.GuestAccount, "guest-account", "nobody", "")
	f.IntVar(idle, "idle-sec", 60, "")
	f.IntVar(&o.DebugLevel, "debug-level", -1, "")
	return f
}

func (o *Options) check(idle int) error {
	switch {
	case !layout.ValidName(o.Name):
		return fmt.Errorf("--name %q is no name of an rpcd; see --help", o.Name)
	case o.Index < 0 || o.Index >= status.MaxWorkers:
		return fmt.Errorf("--index has to be 0 to %d; see --help", status.MaxWorkers-1)
	case idle < 0 || idle > 1<<30:
		return errors.New("--idle-sec has to be 0 or a number of seconds; see --help")
	case o.GuestAccount == "":
		return errors.New("--guest-account is empty; see --help")
	}
	for _, p := range []struct{ flag, path string }{
		{"exec", o.Exec}, {"smb-conf", o.SmbConf}, {"messaging-dir", o.MessagingDir}, {"lock-dir", o.LockDir}, {"np-dir", o.NPDir}, {"ncalrpc-dir", o.NcalrpcDir},
	} {
		if !filepath.IsAbs(p.path) {
			return fmt.Errorf("--%s %q is no absolute path; see --help", p.flag, p.path)
		}
	}
	return nil
}
