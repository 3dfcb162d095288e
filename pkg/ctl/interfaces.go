// SPDX-License-Identifier: Apache-2.0

// Names of interfaces, as people type and read them: those of the catalogue,
// then those that every host has.

package ctl

import (
	"fmt"
	"strconv"
	"strings"

	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// namedInterface is an interface and what it is called.
type namedInterface struct {
	name string
	id   dcerpc.SyntaxID
}

// wellKnown are interfaces of Windows and Samba under the names of their IDL
// files, and those that the DCE defines for every server (C706 appendices O and Q).
var wellKnown = func() (list []namedInterface) {
	for _, line := range strings.Split(wellKnownText, "\n") {
		name, id, _ := strings.Cut(line, " ")
		s, err := parseSyntax(id)
		if err != nil {
			panic(err)
		}
		list = append(list, namedInterface{name, s})
	}
	return list
}()

const wellKnownText = `mgmt afa8bd80-7d8a-11c9-bef4-08002b102989/1.0
epmapper e1af8308-5d1f-11c9-91a4-08002b14a0fa/3.0
rpcecho 60a15ec5-4de8-11d7-a637-005056a20182/1.0
winreg 338cd001-2244-31f1-aaaa-900038001003/1.0
srvsvc 4b324fc8-1670-01d3-1278-5a47bf6ee188/3.0
wkssvc 6bffd098-a112-3610-9833-46c3f87e345a/1.0
svcctl 367abb81-9844-35f1-ad32-98f038001003/2.0
ntsvcs 8d9f4e40-a03d-11ce-8f69-08003e30051b/1.0
eventlog 82273fdc-e32a-18c3-3f78-827929dc23ea/0.0
initshutdown 894de0c0-0d55-11d3-a322-00c04fa321a1/1.0
netdfs 4fc742e0-4a10-11cf-8273-00aa004ae673/3.0
lsarpc 12345778-1234-abcd-ef00-0123456789ab/0.0
samr 12345778-1234-abcd-ef00-0123456789ac/1.0
netlogon 12345678-1234-abcd-ef00-01234567cffb/1.0
dssetup 3919286a-b10c-11d0-9ba8-00c04fd92ef5/0.0
drsuapi e3514235-4b06-11d1-ab04-00c04fc2dcd2/4.0
dnsserver 50abc2a4-574d-40b3-9d66-ee4fd5fba076/5.0
spoolss 12345678-1234-abcd-ef00-0123456789ab/1.0
mdssvc 885d85fb-c754-4062-a0e7-6872ce0064f4/2.0
FileServerVssAgent a8e0653c-2744-4389-a61d-7373df8b2292/1.0`

// names is a list of interfaces; the first of a name or a UUID counts.
type names []namedInterface

// allNames are the names of what is served, nil without a catalogue, and wellKnown.
func allNames(served *plan.Plan) names {
	var list names
	if served != nil {
		for i := range served.Catalogue.Rpcds {
			for _, in := range served.Catalogue.Rpcds[i].Listing.Interfaces {
				list = append(list, namedInterface{in.Name, dcerpc.SyntaxID{UUID: in.UUID, Version: in.Version}})
			}
		}
	}
	return append(list, wellKnown...)
}

// of is the name of an interface, whatever its minor version; "" for none.
func (l names) of(id dcerpc.SyntaxID) string {
	for _, n := range l {
		if n.id.UUID == id.UUID && n.id.Major() == id.Major() {
			return n.name
		}
	}
	return ""
}

// parse reads an interface's name, or UUID/VERSION.
func (l names) parse(text string) (dcerpc.SyntaxID, error) {
	if strings.Contains(text, "/") {
		return parseSyntax(text)
	}
	for _, n := range l {
		if strings.EqualFold(n.name, text) {
			return n.id, nil
		}
	}
	return dcerpc.SyntaxID{}, fmt.Errorf("interface %.60q is not known by name; write UUID/VERSION", text)
}

// text is the interface for people: name and UUID/VERSION.
func (l names) text(id dcerpc.SyntaxID) string {
	if name := l.of(id); name != "" {
		return name + " " + syntaxText(id)
	}
	return syntaxText(id)
}

// syntaxText is UUID/MAJOR.MINOR.
func syntaxText(id dcerpc.SyntaxID) string { return id.UUID.String() + "/" + versionText(id) }

// versionText is MAJOR.MINOR.
func versionText(id dcerpc.SyntaxID) string { return fmt.Sprintf("%d.%d", id.Major(), id.Minor()) }

// parseSyntax reads UUID/MAJOR.MINOR, UUID/MAJOR, or UUID/0xVERSION as in a
// listing.
func parseSyntax(text string) (dcerpc.SyntaxID, error) {
	id, version, _ := strings.Cut(text, "/")
	u, err := uuid.Parse(id)
	if err != nil {
		return dcerpc.SyntaxID{}, err
	}
	if hex, ok := strings.CutPrefix(version, "0x"); ok {
		v, err := strconv.ParseUint(hex, 16, 32)
		if err == nil {
			return dcerpc.SyntaxID{UUID: u, Version: uint32(v)}, nil
		}
	}
	major, minor, found := strings.Cut(version, ".")
	if !found {
		minor = "0"
	}
	high, err1 := strconv.ParseUint(minor, 10, 16)
	low, err2 := strconv.ParseUint(major, 10, 16)
	if err1 != nil || err2 != nil {
		return dcerpc.SyntaxID{}, fmt.Errorf("%.80q has no version; write UUID/MAJOR.MINOR", text)
	}
	return dcerpc.SyntaxID{UUID: u, Version: uint32(high)<<16 | uint32(low)}, nil
}
