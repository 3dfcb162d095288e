// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/printable"
)

// The grammar of each field, alone. Every accepted field is printable ASCII
// without blank, quote, '%', '$' and ':', except the brackets and colon that
// Binding.String adds.

// checkBinding is the grammar of one binding.
func checkBinding(b binding.Binding) error {
	if b.Host != "" {
		return fmt.Errorf("binding %s names a host", quote(b.String()))
	}
	if !strings.HasPrefix(b.Protseq, "nca") || !word(b.Protseq, 32, "_") || b.Protseq != strings.ToLower(b.Protseq) {
		return fmt.Errorf("%s is not a protocol sequence", quote(b.Protseq))
	}
	switch b.Protseq {
	case binding.NP:
		_, err := PipeNode(b)
		return err
	case binding.TCP, binding.HTTP:
		if b.Endpoint == "" {
			return nil
		}
		n, err := decimal(b.Endpoint, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("port %s is not 1 to 65535", quote(b.Endpoint))
		}
		return nil
	case binding.Ncalrpc:
		if b.Endpoint == "" {
			return nil
		}
		if strings.EqualFold(b.Endpoint, "np") {
			return errors.New(`ncalrpc endpoint "np" is the name of the directory of pipes`)
		}
		return node("ncalrpc endpoint", b.Endpoint)
	}
	if b.Endpoint != "" && !word(b.Endpoint, MaxEndpoint, `_.-\/`) {
		return fmt.Errorf("endpoint %s is not 1 to %d of A-Z, a-z, 0-9, _ . - / \\", quote(b.Endpoint), MaxEndpoint)
	}
	return nil
}

// PipeNode returns the node below the directory np/ that smbd opens for an
// ncacn_np binding: the name after \pipe\ in lower case. Only letters, digits
// and _ . - + ~ { } are accepted, at most MaxEndpoint bytes, no dot in front
// and no "..": nothing that leaves the directory or means something in a unit
// file or an environment variable.
func PipeNode(b binding.Binding) (string, error) {
	if b.Protseq != binding.NP {
		return "", fmt.Errorf("%s is not an ncacn_np binding", quote(b.String()))
	}
	return pipeNode(b.Endpoint)
}

func pipeNode(endpoint string) (string, error) {
	if len(endpoint) < len(pipePrefix) || !strings.EqualFold(endpoint[:len(pipePrefix)], pipePrefix) {
		return "", fmt.Errorf(`pipe %s does not start with \pipe\`, quote(endpoint))
	}
	name := endpoint[len(pipePrefix):]
	if err := node("pipe name", name); err != nil {
		return "", err
	}
	return strings.ToLower(name), nil
}

func node(what, name string) error {
	if !word(name, MaxEndpoint, "_.-+~{}") || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return fmt.Errorf("%s %s is not 1 to %d of A-Z, a-z, 0-9, _ . - + ~ { }, without a dot in front or \"..\"",
			what, quote(name), MaxEndpoint)
	}
	return nil
}

// word reports whether s is 1 to max ASCII letters, digits and bytes of others.
func word(s string, max int, others string) bool {
	if len(s) == 0 || len(s) > max {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

func ascii(line []byte) error {
	for i, c := range line {
		if c < ' ' || c > '~' {
			return fmt.Errorf("byte 0x%02x at column %d is not printable ASCII, this is not a listing", c, i+1)
		}
	}
	return nil
}

func header(what, s string, low, high int64) (int, error) {
	u, err := decimal(strings.TrimPrefix(s, "-"), 63)
	n := int64(u)
	if s[:min(1, len(s))] == "-" {
		n = -n
	}
	if err != nil || s == "-0" {
		return 0, fmt.Errorf("%s is %s, not a number from %d to %d", what, quote(s), low, high)
	}
	return int(n), inRange(what, n, low, high)
}

func inRange(what string, n, low, high int64) error {
	if n < low || n > high {
		return fmt.Errorf("%s is %d, not %d to %d; correct rpcd_NAME:%s in smb.conf", what, n, low, high, what)
	}
	return nil
}

// decimal reads digits without sign and leading zero.
func decimal(s string, bits int) (uint64, error) {
	if len(s) > 1 && s[0] == '0' || !word(s, 20, "") {
		return 0, fmt.Errorf("%s is not a number", quote(s))
	}
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number of %d bits", quote(s), bits)
	}
	return n, nil
}

func hexDigits(s string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(s, 16, bits)
	if err != nil || !word(s, 16, "") {
		return 0, fmt.Errorf("%s is not a hexadecimal number of %d bits", quote(s), bits)
	}
	return n, nil
}

// number reads decimal, or hexadecimal after 0x.
func number(s string, bits int) (uint64, error) {
	if h, ok := strings.CutPrefix(s, "0x"); ok {
		return hexDigits(h, bits)
	}
	return decimal(s, bits)
}

// quote makes untrusted text fit for a message.
func quote(s string) string { return printable.Quote(s, 60) }
