// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"msrpcd/pkg/wire/printable"
)

// table aligns rows; the first is the heading. No line ends in blanks.
func table(w io.Writer, indent string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	var buf bytes.Buffer
	t := tabwriter.NewWriter(&buf, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		for i, cell := range r {
			if cell == "" {
				cell = "-"
			}
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, printable.Text(cell))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, line := range strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n") {
		fmt.Fprintln(w, strings.TrimRight(indent+line, " "))
	}
}

// memory prints bytes as people read them, "" for none.
func memory(n uint64) string {
	switch {
	case n == 0:
		return ""
	case n < 10<<20:
		return fmt.Sprintf("%.1fM", float64(n)/(1<<20))
	case n < 10<<30:
		return fmt.Sprintf("%dM", n>>20)
	}
	return fmt.Sprintf("%dG", n>>30)
}
