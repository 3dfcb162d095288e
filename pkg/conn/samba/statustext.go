// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"time"

	"msrpcd/pkg/host/event"
)

// statusText is what systemctl status shows.
func (w *worker) statusText() string {
	open := w.line.Open()
	if w.phase >= stopping {
		return "Stopping: " + w.stopWhy
	}
	if w.phase == leaving {
		until := "they have all the time they need"
		if rest := w.stopAt - w.loop.Now; rest < event.Never/4 {
			until = "they have until " + time.Now().Add(rest).Format("15:04:05")
		}
		return fmt.Sprintf("Stopping, connections: %d; %s, new ones go to other workers", open, until)
	}
	text := fmt.Sprintf("Serving, connections: %d", open)
	if w.hasGroups() {
		text += fmt.Sprintf(", association groups: %d", w.line.Groups.Load())
	}
	if w.draining {
		text += "; ends with the last one, " + w.drainWhy
	}
	return text
}
