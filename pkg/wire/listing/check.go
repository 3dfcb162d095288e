// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"errors"
	"fmt"
	"strings"

	"msrpcd/pkg/wire/binding"
)

// pipePrefix starts every endpoint of ncacn_np, in any case of letters.
const pipePrefix = `\pipe\`

// checker holds what must hold between the parts of one listing: bounds,
// nothing twice, interfaces or pipes. Parse and AppendText share it.
type checker struct {
	interfaces map[string]bool // ids seen
	bindings   map[string]bool // of the current interface, in lower case
	pipes      map[string]bool
	name       string // of the current interface; "" before the first
}

func newChecker() checker {
	return checker{interfaces: map[string]bool{}, pipes: map[string]bool{}}
}

func (c *checker) interfaceLine(i *Interface) error {
	switch {
	case len(c.pipes) > 0:
		return errors.New("interfaces and pipes in one listing; a program has either")
	case len(c.interfaces) == MaxInterfaces:
		return fmt.Errorf("more than %d interfaces", MaxInterfaces)
	case !word(i.Name, MaxName, "_.-"):
		return fmt.Errorf("interface name %s is not 1 to %d of A-Z, a-z, 0-9, _ . -", quote(i.Name), MaxName)
	case c.interfaces[i.id()]:
		return fmt.Errorf("interface %s is listed twice", i.id())
	}
	c.interfaces[i.id()] = true
	c.name, c.bindings = i.Name, map[string]bool{}
	return nil
}

func (c *checker) binding(b binding.Binding) error {
	switch {
	case c.name == "":
		return fmt.Errorf("binding %s before any interface", quote(b.String()))
	case len(c.bindings) == MaxBindings:
		return fmt.Errorf("interface %s has more than %d bindings", c.name, MaxBindings)
	}
	if err := checkBinding(b); err != nil {
		return err
	}
	key := strings.ToLower(b.String())
	if c.bindings[key] {
		return fmt.Errorf("binding %s is listed twice for interface %s", quote(b.String()), c.name)
	}
	c.bindings[key] = true
	return nil
}

// endInterface is called before the next interface and at the end. Samba lists
// an interface only because some endpoint has it.
func (c *checker) endInterface() error {
	if c.name != "" && len(c.bindings) == 0 {
		return fmt.Errorf("interface %s has no binding", c.name)
	}
	return nil
}

func (c *checker) pipe(p Pipe) error {
	node, err := pipeNode(pipePrefix + p.Name)
	switch {
	case err != nil:
		return err
	case node != p.Name:
		return fmt.Errorf("pipe name %s is not in lower case", quote(p.Name))
	case len(c.interfaces) > 0:
		return errors.New("interfaces and pipes in one listing; a program has either")
	case len(c.pipes) == MaxPipes:
		return fmt.Errorf("more than %d pipes", MaxPipes)
	case c.pipes[node]:
		return fmt.Errorf("pipe %s is listed twice", node)
	}
	c.pipes[node] = true
	return nil
}
