// SPDX-License-Identifier: Apache-2.0

// An account and its password: where they are read, and who can see them. A password
// is kept no longer than its hash takes; on the command line it is overwritten, so
// that the list of processes shows it for a moment only.

package ctl

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// account is [DOMAIN\]USER[%PASSWORD].
type account struct {
	domain, user string
	password     []byte // nil without one
}

// String implements pflag.Value.
func (a *account) String() string { return "" }

// Type implements pflag.Value.
func (a *account) Type() string { return "account" }

// Set implements pflag.Value.
func (a *account) Set(text string) error {
	name, password, ok := strings.Cut(text, "%")
	if ok {
		a.password = []byte(password)
		hide(password)
	}
	name = strings.Clone(name)
	if domain, user, ok := strings.Cut(name, `\`); ok {
		a.domain, name = domain, user
	}
	if a.user = name; name == "" || len(name) > 255 || len(a.domain) > 255 {
		return errors.New(`not of the form [DOMAIN\]USER[%PASSWORD]`)
	}
	return nil
}

// hide overwrites a text that is a part of the command line.
func hide(text string) {
	at := uintptr(unsafe.Pointer(unsafe.StringData(text)))
	for _, arg := range os.Args {
		if from := uintptr(unsafe.Pointer(unsafe.StringData(arg))); len(text) > 0 && at >= from && at < from+uintptr(len(arg)) {
			clear(unsafe.Slice(unsafe.StringData(text), len(text)))
		}
	}
}

// maxCredentials is the longest file for -A, in bytes.
const maxCredentials = 4096

// read reads a file as smbclient(1) has it: lines "username = USER" and so on.
func (a *account) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := f.Stat()
	if err == nil && s.Mode().IsRegular() && s.Mode().Perm()&0o077 != 0 {
		err = errors.New("users other than its owner may read or write it; run chmod 600 on it")
	}
	b := make([]byte, maxCredentials)
	defer clear(b)
	n := 0
	if err == nil {
		n, err = f.Read(b)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for line := range bytes.Lines(b[:n]) {
		key, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte("="))
		value = bytes.TrimSpace(value)
		switch key := string(bytes.TrimSpace(key)); {
		case !ok:
		case key == "username":
			a.user = string(value)
		case key == "domain":
			a.domain = string(value)
		case key == "password":
			a.password = bytes.Clone(value)
		}
	}
	if a.user == "" {
		return fmt.Errorf("%s has no line username = USER", path)
	}
	return nil
}
