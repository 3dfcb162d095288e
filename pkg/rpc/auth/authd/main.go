// SPDX-License-Identifier: Apache-2.0

package authd

// This file owns the program: what its unit gives it.

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
	"msrpcd/pkg/rpc/auth/winbind"
	"msrpcd/pkg/wire/dcerpc"
)

const idleTime = 2 * time.Minute

// Main runs msrpc-auth and returns the exit status.
func Main() int {
	log := journal.Setup()
	defer journal.Flush()
	if err := sys.Confine(sys.FilesKeepLength); err != nil {
		log.Warn(err.Error())
	}
	if err := run(log); err != nil {
		log.Error(err.Error())
		return 1
	}
	return 0
}

func run(log *slog.Logger) error {
	passed, err := sys.PassedFDs()
	if err != nil || len(passed) != 1 {
		return fmt.Errorf("msrpc-auth is started by msrpc-auth.socket, see msrpc-auth(8): %d sockets, %v", len(passed), err)
	}
	f := os.NewFile(uintptr(passed[0].FD), "msrpc-auth.socket")
	c, err := net.FilePacketConn(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("msrpc-auth.socket: %w", err)
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("msrpc-auth.socket is not a unix socket of datagrams")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	go func() { // no one handshake is worth waiting for; clients try again
		<-stop
		journal.Flush()
		os.Exit(0)
	}()
	opt := setting.Defaults()
	if err := opt.Environ(setting.Auth, os.Getenv); err != nil {
		return err
	}
	s := Server{Mechanisms: mechanisms(log, &opt, os.Getenv("CREDENTIALS_DIRECTORY")), Idle: idleTime}
	return s.Serve(socket)
}

// mechanisms are those that the credentials of the unit allow. What cannot be read
// is left out: clients may have another way.
func mechanisms(log *slog.Logger, opt *setting.Values, dir string) (list []auth.Mechanism) {
	accounts := auth.Accounts(winbind.New(opt.WinbindPipe))
	if text, ok := credential(log, dir, layout.HashCredential); ok {
		if f, err := hashes.Parse(string(text)); err != nil {
			log.Error("no NTLM, for the file of NT hashes cannot be used: "+err.Error(), journal.MessageID, journal.IDKeysUnusable)
			accounts, _ = hashes.Parse("") // never others than those that were meant
		} else {
			accounts = f
		}
	}
	list = append(list, &ntlm.Mechanism{Accounts: accounts, WithoutMIC: opt.WithoutMIC})
	why := auth.Fail(auth.KeytabMissing, auth.ErrUnavailable, "msrpc-auth has no keytab")
	if keytab, ok := credential(log, dir, layout.KeytabCredential); ok {
		k, err := krb5.New(keytab, accounts)
		clear(keytab)
		if err == nil {
			list = append(list, k)
			return append(list, spnego.New(list...))
		}
		why = auth.Fail(auth.KeytabUnusable, auth.ErrUnavailable, "%w", err)
		log.Error("there is no Kerberos: "+err.Error(), journal.MessageID, journal.IDKeysUnusable)
	}
	return append(list, spnego.New(list...), without{why})
}

// without stands for Kerberos where there is none.
type without struct{ why error }

// Service implements auth.Mechanism.
func (without) Service() byte { return dcerpc.AuthKerberos }

// Begin implements auth.Mechanism.
func (w without) Begin(byte) (auth.Context, error) { return nil, w.why }

// Restore implements auth.Mechanism.
func (w without) Restore([]byte) (auth.Context, error) { return nil, w.why }

// credential reads one that may be there: a unit without a drop-in has none.
func credential(log *slog.Logger, dir, name string) ([]byte, bool) {
	if dir == "" {
		return nil, false
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Error("credential cannot be read: "+err.Error(), journal.MessageID, journal.IDKeysUnusable)
	}
	return b, err == nil
}
