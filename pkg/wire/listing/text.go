// SPDX-License-Identifier: Apache-2.0

package listing

import "fmt"

// AppendText appends the listing as Samba writes it: for a Listing with
// interfaces that came from Parse, the same bytes. Pipes are written in lower
// case with decimal numbers. A Listing that Parse would refuse is an error.
func (l *Listing) AppendText(b []byte) ([]byte, error) {
	c := newChecker()
	if err := inRange("num_workers", int64(l.Workers), 1, MaxWorkers); err != nil {
		return nil, err
	}
	if err := inRange("idle_seconds", int64(l.IdleSec), 0, MaxIdleSec); err != nil {
		return nil, err
	}
	start := len(b)
	b = fmt.Appendf(b, "%d\n%d\n", l.Workers, l.IdleSec)
	for i := range l.Interfaces {
		it := &l.Interfaces[i]
		if err := c.interfaceLine(it); err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "%s %s\n", it.id(), it.Name)
		for _, bi := range it.Bindings {
			if err := c.binding(bi); err != nil {
				return nil, fmt.Errorf("interface %s: %w", it.Name, err)
			}
			b = fmt.Appendf(b, " %s\n", bi)
		}
		if err := c.endInterface(); err != nil {
			return nil, err
		}
	}
	for _, p := range l.Pipes {
		if err := c.pipe(p); err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "%s%s %d %d %d\n", pipePrefix, p.Name, p.FileType, p.DeviceState, p.Allocation)
	}
	if len(b)-start > MaxSize {
		return nil, fmt.Errorf("the listing is longer than %d bytes", MaxSize)
	}
	return b, nil
}

// id is the first part of an interface line, unique in a listing.
func (i *Interface) id() string { return fmt.Sprintf("%s/0x%08x", i.UUID, i.Version) }
