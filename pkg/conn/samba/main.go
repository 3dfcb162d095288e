// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// Main is the program msrpc-samba-worker, which finds in its environment what
// setting.Table has for it: it returns the exit code. Its argument NAME@N is for
// ps(1) and systemctl status, and is checked.
func Main(args []string) int {
	opt := setting.Defaults()
	err := opt.Environ(setting.Samba, os.Getenv)
	if err == nil && len(args) > 0 && !slices.Equal(args, []string{fmt.Sprintf("%s@%d", opt.Name, opt.Index)}) {
		err = fmt.Errorf("its argument has to be %s@%d; systemd starts it as msrpc-worker-NAME@N.service, see msrpc-samba-worker(8)", opt.Name, opt.Index)
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
