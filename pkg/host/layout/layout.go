// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// Directories, as installed by meson (option names in meson_options.txt).
var (
	Libexec      = "/usr/libexec/msrpcd" // programs that are not for people
	VendorConfig = "/usr/lib/msrpcd"     // msrpcd.conf, rpcd.d/ of packages
	AdminConfig  = "/etc/msrpcd"         // the same of the administrator
	VolatileConf = "/run/msrpcd"         // the same until the next boot
	State        = "/var/lib/msrpcd"     // catalogue
	Runtime      = "/run/msrpc"          // inboxes and status files, one directory per rpcd
)

// Accounts. A member of Group may write into every inbox, so only brokers are:
// native rpcds have an account of their own, in no group.
const (
	User     = "msrpc"      // of brokers
	Group    = "msrpc"      // of inboxes and status files
	RpcdUser = "msrpc-rpcd" // of native rpcds
	AuthUser = "msrpc-auth" // of msrpc-auth, which has keys
)

// ExitReplaced is the exit status of a broker or a native rpcd whose program was
// replaced, RestartForceExitStatus= of its unit: systemd starts it again, with
// the connections that are parked, and does not count it as a failure.
const ExitReplaced = 133

// Names of descriptors in LISTEN_FDNAMES, beside Transport for listeners.
const (
	FDNameInbox   = "inbox"   // a worker's inbox
	FDNameParking = "parking" // end of a parking pair that is read from; further pairs are parking-1, ...
	ParkingEntry  = "-entry"  // suffix for the end that is written to
)

// Directories of units that are not ours alone.
const (
	AdminUnits     = "/etc/systemd/system"    // the administrator's; masks for good
	RuntimeUnits   = "/run/systemd/system"    // masks until the next boot
	GeneratorUnits = "/run/systemd/generator" // what systemd has of msrpc-generator
)

// Names of units that are not generated.
const (
	Target           = "msrpc.target"
	PreflightService = "msrpc-preflight.service"
	RefreshService   = "msrpc-refresh.service"
	ScriptsService   = "msrpc-scripts.service"
	RefreshPath      = "msrpc-refresh.path"
	RetryTimer       = "msrpc-retry.timer"
	NetworkSocket    = "msrpc-network.socket"
	BgqdService      = "msrpc-samba-bgqd.service"
	RootSlice        = "msrpc.slice"
)

var nameRE = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// ValidName reports whether name can be an rpcd's NAME in unit and path names.
func ValidName(name string) bool { return nameRE.MatchString(name) }

// ScriptsScope names the scope of what scripts of one rpcd left running; id
// makes it one of its own.
func ScriptsScope(name, id string) string { return "msrpc-scripts-" + name + "-" + id + ".scope" }

// Catalogue is the catalogue's file.
func Catalogue() string { return filepath.Join(State, "catalogue.db") }

// LastUnits is where msrpc-generator keeps its last good set: below /run, the
// one place that a generator may write to.
func LastUnits() string { return filepath.Join(VolatileConf, "units") }

// RpcdDir holds the inboxes and the status file of one rpcd.
func RpcdDir(name string) string { return filepath.Join(Runtime, name) }

// Root is the empty directory that is the root of brokers and native rpcds; what
// they may see is mounted into it, for each of them alone.
func Root() string { return filepath.Join(Runtime, ".root") }

// WinbindPipe is the privileged pipe of winbindd.
var WinbindPipe = "/var/lib/samba/winbindd_privileged/pipe"

// AuthDir has the socket of msrpc-auth.
func AuthDir() string { return filepath.Join(Runtime, ".auth") }

// AuthService and AuthSocketUnit are units of msrpc-auth, the others are names of its
// credentials.
const (
	AuthService      = "msrpc-auth.service"
	AuthSocketUnit   = "msrpc-auth.socket"
	KeytabCredential = "krb5.keytab"
	HashCredential   = "msrpc.nthashes"
)

// CredentialStores is where systemd looks for a credential without a path, in turn
// (systemd.exec(5)); one that is nowhere is left out.
var CredentialStores = []string{"/etc/credstore", "/run/credstore", "/usr/lib/credstore"}

// AuthSocket is that of msrpc-auth.
func AuthSocket() string { return filepath.Join(AuthDir(), "socket") }

// StatusFile is the mapped status file of one rpcd.
func StatusFile(name string) string { return filepath.Join(RpcdDir(name), "status") }

// Inbox is the socket node of a worker's inbox. The unit template uses the
// same path with the specifier %i for the index.
func Inbox(name string, index int) string {
	return InboxPattern(name, fmt.Sprint(index))
}

// InboxPattern is Inbox for an index given as text, such as "%i".
func InboxPattern(name, index string) string {
	return filepath.Join(RpcdDir(name), "inbox-"+index)
}
