// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestCommandsThatMayMountAreFound(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		none  bool
	}{
		{nil, true},
		{[]string{"print command = lpr -r -P'%p' %s", "lpq command = lpq -P'%p'", "panic action = /usr/share/samba/panic-action %d", "passwd program = /usr/bin/passwd %u"}, true},
		{[]string{"dns update command = /usr/sbin/samba_dnsupdate", "logon script = logon.bat", "include = /etc/samba/more.conf"}, true},
		{[]string{"add share command = "}, true},
		{[]string{"add share command = /srv/add"}, false},
		{[]string{"Add User Script = /usr/sbin/useradd %u"}, false},
		{[]string{"shutdown script = /sbin/shutdown"}, false},
		{[]string{"a new command = x"}, false},
		{[]string{"svcctl list = cups"}, false},
		{[]string{"config backend = registry"}, false},
		{[]string{"config backend = "}, false},
		{[]string{"include = registry"}, false},
		{[]string{"include = /etc/samba/%m.conf"}, false},
	} {
		s, err := ParseTestparm(with(append([]string{"config backend = file"}, tt.lines...)...))
		if err != nil || s.NoCommands != tt.none {
			t.Errorf("%q: none %v, want %v; %v", tt.lines, s.NoCommands, tt.none, err)
		}
	}
}
