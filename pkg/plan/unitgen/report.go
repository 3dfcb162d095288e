// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"log/slog"
	"strings"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/printable"
)

// Report is what ProblemService runs: it writes the problems in environ to the
// journal and to the unit's status, and fails.
func Report(environ []string) error {
	texts := problemTexts(environ)
	if len(texts) == 0 {
		return fmt.Errorf("no %s0 in the environment; this is run by %s", ProblemVariable, ProblemService)
	}
	log := journal.Setup()
	defer journal.Flush()
	for _, t := range texts {
		log.Error(t, slog.String(journal.MessageID, journal.IDUnitProblem))
	}
	if n, err := sys.NewNotifier(); err == nil {
		n.Send(nil, "STATUS="+strings.Join(texts, "; "))
	}
	return fmt.Errorf("units are not as configured (%s, see above); correct them and run msrpcctl refresh", printable.Count(len(texts), "problem"))
}

func problemTexts(environ []string) []string {
	values := map[string]string{}
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok {
			values[k] = v
		}
	}
	var texts []string
	for {
		t, ok := values[fmt.Sprint(ProblemVariable, len(texts))]
		if !ok {
			return texts
		}
		texts = append(texts, t)
	}
}
