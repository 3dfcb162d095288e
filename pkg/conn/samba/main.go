// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// Main is the program msrpc-samba-worker, which finds in its environment what
// setting.Table has for it: it returns the exit code.
func Main(args []string) int {
	opt := setting.Defaults()
	err := opt.Environ(setting.Samba, os.Getenv)
	if len(args) > 0 {
		err = errors.New("it takes no arguments; systemd starts it as msrpc-worker-NAME@N.service, see msrpc-samba-worker(8)")
	}
	if err != nil {
		fmt.Fprintln(journal.Stderr, "msrpc-samba-worker:", err)
		return 2
	}
	log := journal.Setup(slog.String(journal.Rpcd, opt.Name), slog.Int(journal.Worker, opt.Index))
	defer journal.Flush()
	if err := Run(opt, log); err != nil {
		var known interface{ MessageID() string }
		if errors.As(err, &known) {
			log = log.With(journal.MessageID, known.MessageID())
		}
		log.Error(sys.Hint(err).Error())
		return 1
	}
	return 0
}
