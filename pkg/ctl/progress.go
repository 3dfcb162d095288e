// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// progress is one line on a terminal that is written over.
type progress struct {
	out  io.Writer
	on   bool
	last string
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

const progressWidth = 76

func (p *progress) show(left []*drainee) {
	if !p.on {
		return
	}
	var parts []string
	for _, d := range left {
		parts = append(parts, fmt.Sprintf("%s %d", d.name(), d.Connections))
	}
	text := fmt.Sprintf("%d drain; connections: %s", len(left), strings.Join(parts, ", "))
	if len(text) > progressWidth {
		text = text[:progressWidth-3] + "..."
	}
	if text != p.last {
		fmt.Fprint(p.out, "\r\x1b[K", text)
		p.last = text
	}
}

func (p *progress) clear() {
	if p.last != "" {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.last = ""
	}
}
