// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"maps"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/conn/pipeauth"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/tests/tools/check"
)

var goodEnv = map[string]string{
	"MSRPC_WORKERS": "5", "MSRPC_SPARES": "32", "MSRPC_INDEX_BITS": "8", "MSRPC_IDLE_SEC": "60",
	"MSRPC_FILL_FIRST": "0", "MSRPC_MAX_UNBOUND": "4096", "MSRPC_MAX_UNBOUND_SOURCE": "512", "MSRPC_MAX_UNBOUND_USER": "256", "MSRPC_MAX_PARKED": "1000", "MSRPC_BIND_TIMEOUT_SEC": "30",
	"MSRPC_MAX_NPA": "1048576", "MSRPC_PIPES": "tsvc:2:255:4096",
}

func TestConfigFromEnv(t *testing.T) {
	got, err := ConfigFromEnv("winreg", func(k string) string { return goodEnv[k] })
	must(t, err)
	want := Config{Values: setting.Defaults(), Pipes: map[string]pipeauth.Pipe{"tsvc": {FileType: 2, DeviceState: 255, Allocation: 4096}}}
	want.Name, want.Workers, want.IndexBits, want.Idle = "winreg", 5, 8, time.Minute
	want.Limits[source.Unbound].User, want.MaxParked, want.PlainPipes = 256, 1000, goodEnv["MSRPC_PIPES"]
	check.Same(t, want, got)
}

func TestAVariableThatAnOlderGeneratorDoesNotWriteHasItsDefault(t *testing.T) {
	env := maps.Clone(goodEnv)
	delete(env, "MSRPC_MAX_UNBOUND_USER")
	c, err := ConfigFromEnv("winreg", func(k string) string { return env[k] })
	if err != nil || c.Limits[source.Unbound].User != 512 {
		t.Errorf("%v, %+v; want 512 connections of a user", err, c)
	}
}

func TestConfigFromEnvRefuses(t *testing.T) {
	for _, tt := range []struct{ key, value, want string }{
		{"", "", "start msrpc-broker@NAME.service"},
		{"MSRPC_WORKERS", "0", "one worker is the least"},
		{"MSRPC_WORKERS", "", "MSRPC_WORKERS"},
		{"MSRPC_SPARES", "252", "do not fit 8 index bits"},
		{"MSRPC_IDLE_SEC", "-1", "MSRPC_IDLE_SEC"},
		{"MSRPC_MAX_UNBOUND_SOURCE", "0", "MSRPC_MAX_UNBOUND_SOURCE"},
		{"MSRPC_MAX_UNBOUND_USER", "x", "msrpcctl refresh"},
		{"MSRPC_MAX_NPA", "99999999", "MSRPC_MAX_NPA"},
		{"MSRPC_PIPES", "a:b", "name:type:state:allocation"},
		{"MSRPC_PIPES", "a:1:70000:1", "bad number"},
	} {
		env := maps.Clone(goodEnv)
		name := "winreg"
		if tt.key == "" {
			name = "../x"
		}
		env[tt.key] = tt.value
		_, err := ConfigFromEnv(name, func(k string) string { return env[k] })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: error %v, want one with %q", tt.key, tt.value, err, tt.want)
		}
	}
}
