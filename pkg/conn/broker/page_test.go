// SPDX-License-Identifier: Apache-2.0

package broker

// This file holds the table of variables in msrpc-broker(8) against the code:
// each bound is accepted, and the next number beyond it is not.

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPageListsVariables(t *testing.T) {
	text, err := os.ReadFile("../../../packaging/man/msrpc-broker.8")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{ // fits with every bound of another variable
		"MSRPC_WORKERS": "1", "MSRPC_SPARES": "0", "MSRPC_INDEX_BITS": "16", "MSRPC_IDLE_SEC": "60", "MSRPC_FILL_FIRST": "0",
		"MSRPC_MAX_UNBOUND": "4096", "MSRPC_MAX_UNBOUND_SOURCE": "512", "MSRPC_MAX_UNBOUND_USER": "512", "MSRPC_MAX_PARKED": "16000",
		"MSRPC_BIND_TIMEOUT_SEC": "30", "MSRPC_MAX_NPA": "1048576", "MSRPC_PIPES": "",
	}
	accepts := func(name string, value int) bool {
		_, err := ConfigFromEnv("winreg", func(key string) string {
			if key == name {
				return strconv.Itoa(value)
			}
			return good[key]
		})
		// Workers and spares, each within its own bounds, may be too many together.
		return err == nil || strings.Contains(err.Error(), "index bits")
	}
	row := regexp.MustCompile(`(?m)^(MSRPC_[A-Z_]+) +\S.*?(?:  +(\d+) to (\d+).*)?$`)
	seen := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(strings.ReplaceAll(string(text), `\-`, "-"), -1) {
		name := m[1]
		if _, known := good[name]; !known {
			t.Errorf("msrpc-broker(8) lists %s, which is no variable", name)
		}
		seen[name] = true
		if m[2] == "" {
			continue
		}
		low, _ := strconv.Atoi(m[2])
		high, _ := strconv.Atoi(m[3])
		for value, want := range map[int]bool{low: true, high: true, low - 1: false, high + 1: false} {
			if accepts(name, value) != want {
				t.Errorf("%s=%d: accepted is %t, msrpc-broker(8) says %s to %s", name, value, !want, m[2], m[3])
			}
		}
	}
	code, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"(MSRPC_[A-Z_]+)"`).FindAllStringSubmatch(string(code), -1) {
		if !seen[m[1]] {
			t.Errorf("%s is not in msrpc-broker(8)", m[1])
		}
	}
}
