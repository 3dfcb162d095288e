// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// Main is the program msrpc-samba-worker: it returns the exit code.
func Main(args []string) int {
	o, err := ParseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(Usage)
		return 0
	}
	if err != nil {
		fmt.Fprintln(journal.Stderr, "msrpc-samba-worker:", err)
		return 2
	}
	log := journal.Setup(slog.String(journal.Rpcd, o.Name), slog.Int(journal.Worker, o.Index))
	defer journal.Flush()
	if err := Run(o, log); err != nil {
		var known interface{ MessageID() string }
		if errors.As(err, &known) {
			log = log.With(journal.MessageID, known.MessageID())
		}
		log.Error(sys.Hint(err).Error())
		return 1
	}
	return 0
}
