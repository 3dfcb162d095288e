// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"bytes"
	"fmt"
	"strings"

	"msrpcd/pkg/wire/binding"
)

// Parse reads a whole listing. The error is a *SyntaxError with the line. What
// it returns has passed every check of check.go and keeps no part of text.
func Parse(text []byte) (*Listing, error) {
	if len(text) == 0 {
		return nil, &SyntaxError{0, "the listing is empty, at least the lines num_workers and idle_seconds are needed"}
	}
	if len(text) > MaxSize {
		return nil, &SyntaxError{0, fmt.Sprintf("the listing is longer than %d bytes", MaxSize)}
	}
	p := parser{checker: newChecker()}
	for rest := text; len(rest) > 0; {
		p.line++
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if err := ascii(line); err != nil {
			return nil, p.fail(err)
		}
		if !whole {
			return nil, p.fail(fmt.Errorf("%s is cut off: the line does not end", quote(string(line))))
		}
		if err := p.take(string(line)); err != nil {
			return nil, p.fail(err)
		}
	}
	if p.line < 2 {
		p.line++
		return nil, p.fail(fmt.Errorf("the listing is cut off, idle_seconds is missing"))
	}
	if err := p.endInterface(); err != nil {
		return nil, p.fail(fmt.Errorf("%w; the listing is cut off", err))
	}
	return &p.l, nil
}

// parser is the state between two lines. What of l is checked is in checker.
type parser struct {
	checker
	l    Listing
	line int // the current one, from 1
}

func (p *parser) fail(err error) error { return &SyntaxError{p.line, err.Error()} }

func (p *parser) take(line string) error {
	switch {
	case p.line == 1:
		n, err := header("num_workers", line, 1, MaxWorkers)
		p.l.Workers = n
		return err
	case p.line == 2:
		n, err := header("idle_seconds", line, 0, MaxIdleSec)
		p.l.IdleSec = n
		return err
	case strings.HasPrefix(line, " "):
		return p.takeBinding(line[1:])
	case strings.HasPrefix(line, `\`):
		return p.takePipe(line)
	}
	return p.takeInterface(line)
}

// takeInterface reads "uuid/0xVVVVVVVV name".
func (p *parser) takeInterface(line string) error {
	const idLen = 36 + len("/0x") + 8
	if len(line) < idLen+2 || line[36:39] != "/0x" || line[idLen] != ' ' {
		return fmt.Errorf("%s is not an interface line, which is uuid/0xVERSION NAME", quote(line))
	}
	u, err := ParseUUID(line[:36])
	if err != nil {
		return err
	}
	v, err := hexDigits(line[39:idLen], 32)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	i := Interface{UUID: u, Version: uint32(v), Name: line[idLen+1:]}
	if line[:idLen] != i.id() {
		return fmt.Errorf("%s is not in lower case", quote(line[:idLen]))
	}
	if err := p.endInterface(); err != nil {
		return err
	}
	if err := p.interfaceLine(&i); err != nil {
		return err
	}
	p.l.Interfaces = append(p.l.Interfaces, i)
	return nil
}

// takeBinding reads "protseq:" or "protseq:[endpoint]".
func (p *parser) takeBinding(line string) error {
	protseq, end, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%s is not a binding, which is PROTSEQ:[ENDPOINT]", quote(line))
	}
	b := binding.Binding{Protseq: protseq}
	if end != "" {
		if len(end) < 3 || end[0] != '[' || end[len(end)-1] != ']' {
			return fmt.Errorf("%s is not a binding, which is PROTSEQ:[ENDPOINT]", quote(line))
		}
		b.Endpoint = end[1 : len(end)-1]
	}
	if err := p.binding(b); err != nil {
		return err
	}
	i := &p.l.Interfaces[len(p.l.Interfaces)-1]
	i.Bindings = append(i.Bindings, b)
	return nil
}

// takePipe reads "\pipe\NAME file_type device_state allocation".
func (p *parser) takePipe(line string) error {
	f := strings.Split(line, " ")
	if len(f) != 4 {
		return fmt.Errorf(`%s is not a pipe line, which is \pipe\NAME TYPE STATE ALLOCATION`, quote(line))
	}
	node, err := pipeNode(f[0])
	if err != nil {
		return err
	}
	var n [3]uint64
	for i, name := range []string{"file type", "device state", "allocation"} {
		bits := 16
		if i == 2 {
			bits = 64
		}
		if n[i], err = number(f[i+1], bits); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	pipe := Pipe{Name: node, FileType: uint16(n[0]), DeviceState: uint16(n[1]), Allocation: n[2]}
	if err := p.pipe(pipe); err != nil {
		return err
	}
	p.l.Pipes = append(p.l.Pipes, pipe)
	return nil
}
