// SPDX-License-Identifier: Apache-2.0

package setting

// This file owns which inboxes of an rpcd are open. Those of FromStart are while
// its broker runs. Each worker that is ready opens the one of Next, so that two of
// the ordinary workers' and two of the spares' are open ahead of what is in use, and
// systemd loads no unit that nothing has needed yet.

const ahead = 2

// Indices is the number of workers, spares included.
func (v *Values) Indices() int { return v.Workers + v.Spares }

// FromStart reports whether the broker's unit opens inbox i.
func (v *Values) FromStart(i int) bool {
	return i >= 0 && i < v.Indices() && (i < ahead || i >= v.Workers && i < v.Workers+ahead)
}

// Next is the inbox that worker i opens; ok is false where it is open anyway, or
// there is none.
func (v *Values) Next(i int) (next int, ok bool) {
	next = i + ahead
	return next, next < v.Indices() && !v.FromStart(next)
}
