// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// Main runs the broker as systemd starts it: one argument, the rpcd's name,
// listeners and parking in LISTEN_FDS, Config in the environment.
func Main(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: msrpc-broker NAME; systemd starts it, see msrpc-broker(8)")
	}
	cfg, err := ConfigFromEnv(args[0], os.Getenv)
	if err != nil {
		return err
	}
	fds, err := sys.PassedFDs()
	if err != nil {
		return err
	}
	log := journal.Setup(slog.String(journal.Rpcd, cfg.Name))
	defer journal.Flush()
	if err := sys.Confine(sys.FilesKeepLength); err != nil {
		log.Warn(err.Error())
	}
	b, err := New(cfg, log, fds)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what starting needed, before the long wait
	b.loop.Catch(syscall.SIGTERM, syscall.SIGINT)
	return b.Run()
}
