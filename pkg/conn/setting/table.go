// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// Process is a set of kinds of processes.
type Process uint8

// The kinds.
const (
	Broker Process = 1 << iota // msrpc-broker
	Native                     // a worker of an rpcd with Kind=native
	Direct                     // the worker of Activation=direct, in addition to Native
	Samba                      // msrpc-samba-worker
	Auth                       // msrpc-auth
)

// Section is the section of the file that a setting stands in.
type Section string

// The sections. What has none is in no file: refresh or the generator finds it
// out, or only drop-ins of units set it.
const (
	Msrpcd Section = "Msrpcd" // msrpcd.conf(5)
	Rpcd   Section = "Rpcd"   // msrpcd-rpcd.d(5)
)

// Unit says how a value is written.
type Unit uint8

// The units.
const (
	Number  Unit = iota
	Seconds      // whole ones, or a time span of systemd.time(7)
	Bytes        // with an optional suffix K or M
	Text
	Path   // absolute
	Name   // of an rpcd
	Switch // yes or no
)

// Row is one setting.
type Row struct {
	Name      string  // "MaxUnbound" of MaxUnbound=; "" where In is ""
	In        Section // where it is set
	Variable  string  // that processes find it in; "" where none gets it
	For       Process // that get it
	Needs     Process // of these, those that cannot do without it
	Instance  bool    // systemd fills it in, from the name of the unit
	Unit      Unit
	Default   string            // as in a file or variable
	Low, High int               // bounds of Number, Seconds (in seconds) and Bytes
	Zero      string            // what 0 stands for in a file
	field     func(*Values) any // *int, *bool, *time.Duration, *string; *source.Limit: the share of each address and each user
}

// IdleVariable is the variable of IdleSec=, which is 0 in processes that are
// to be kept running.
const IdleVariable = "MSRPC_IDLE_SEC"

// Bounds. Workers and spares together fit one status file.
const (
	MaxWorkers = status.MaxWorkers / 2 // also of spares
	MaxIdleSec = 7 * 24 * 3600
	many       = 1 << 20 // what memory and descriptors bound
)

// Table lists all settings, in the order in which units have them.
var Table = []Row{
	{Variable: "MSRPC_RPCD", For: Native | Samba, Needs: Samba, Unit: Name, field: func(v *Values) any { return &v.Name }},
	{Variable: "MSRPC_WORKER", For: Native | Samba, Needs: Samba, Instance: true, High: status.MaxWorkers - 1, field: func(v *Values) any { return &v.Index }},
	{Name: "Workers", In: Rpcd, Variable: "MSRPC_WORKERS", For: Broker | Samba, Needs: Broker, High: MaxWorkers,
		Zero: "0 is what the program lists", field: func(v *Values) any { return &v.Workers }},
	{Name: "Spares", In: Rpcd, Variable: "MSRPC_SPARES", For: Broker | Samba, Default: "32", High: MaxWorkers, field: func(v *Values) any { return &v.Spares }},
	{Variable: "MSRPC_INDEX_BITS", For: Broker | Native, Default: "16", Low: 8, High: 16, field: func(v *Values) any { return &v.IndexBits }},
	{Name: "IdleSec", In: Rpcd, Variable: IdleVariable, For: Broker | Native | Samba, Unit: Seconds, High: MaxIdleSec, field: func(v *Values) any { return &v.Idle }},
	{Name: "FillFirst", In: Rpcd, Variable: "MSRPC_FILL_FIRST", For: Broker, High: many, Zero: "0 spreads connections", field: func(v *Values) any { return &v.FillFirst }},
	{Name: "Port", In: Rpcd, High: 65535, Zero: "0 is a port allocated by msrpcctl refresh", field: func(v *Values) any { return &v.Port }},

	{Variable: "MSRPC_NP_DIR", For: Native | Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.NPDir }},
	{Variable: "MSRPC_NCALRPC_DIR", For: Native | Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.NcalrpcDir }},

	{Name: "MaxUnbound", In: Msrpcd, Variable: "MSRPC_MAX_UNBOUND", For: Broker | Direct, Default: "4096", Low: 1, High: many, field: func(v *Values) any { return &v.Limits[source.Unbound].Total }},
	{Name: "MaxUnboundPerSource", In: Msrpcd, Variable: "MSRPC_MAX_UNBOUND_SOURCE", For: Broker | Direct, Default: "512", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Unbound].Address }},
	{Name: "MaxUnboundPerUser", In: Msrpcd, Variable: "MSRPC_MAX_UNBOUND_USER", For: Broker | Direct, Default: "512", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Unbound].User }},
	{Name: "BindTimeoutSec", In: Msrpcd, Variable: "MSRPC_BIND_TIMEOUT_SEC", For: Broker | Direct, Unit: Seconds, Default: "30", Low: 1, High: 3600,
		field: func(v *Values) any { return &v.BindTimeout }},
	{Name: "MaxNPASize", In: Msrpcd, Variable: "MSRPC_MAX_NPA", For: Broker | Direct, Unit: Bytes, Default: "1048576", Low: 4096, High: handoff.MaxNPA,
		field: func(v *Values) any { return &v.MaxNPA }},
	{Name: "MaxParked", In: Msrpcd, Variable: "MSRPC_MAX_PARKED", For: Broker | Native, Default: "16000", Low: 1, High: 32000, field: func(v *Values) any { return &v.MaxParked }},

	{Name: "MaxBound", In: Msrpcd, Variable: "MSRPC_MAX_BOUND", For: Native | Samba, Default: "20000", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Bound].Total }},
	{Name: "MaxBoundPerSource", In: Msrpcd, Variable: "MSRPC_MAX_BOUND_PER_SOURCE", For: Native | Samba, Default: "2048", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Bound] }},
	{Name: "MaxHandles", In: Msrpcd, Variable: "MSRPC_MAX_HANDLES", For: Native, Default: "262144", Low: 1, High: 1 << 24,
		field: func(v *Values) any { return &v.Limits[source.Handles].Total }},
	{Name: "MaxHandlesPerSource", In: Msrpcd, Variable: "MSRPC_MAX_HANDLES_PER_SOURCE", For: Native, Default: "16384", Low: 1, High: 1 << 24,
		field: func(v *Values) any { return &v.Limits[source.Handles] }},
	{Name: "MaxBlocking", In: Msrpcd, Variable: "MSRPC_MAX_BLOCKING", For: Native, Default: "1024", Low: 1, High: 1 << 16,
		field: func(v *Values) any { return &v.Limits[source.Blocking].Total }},
	{Name: "MaxBlockingPerSource", In: Msrpcd, Variable: "MSRPC_MAX_BLOCKING_PER_SOURCE", For: Native, Default: "256", Low: 1, High: 1 << 16,
		field: func(v *Values) any { return &v.Limits[source.Blocking] }},
	{Name: "MaxSecurityContexts", In: Msrpcd, Variable: "MSRPC_MAX_SECURITY_CONTEXTS", For: Native, Default: "32768", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Securities].Total }},
	{Name: "MaxSecurityContextsPerSource", In: Msrpcd, Variable: "MSRPC_MAX_SECURITY_CONTEXTS_PER_SOURCE", For: Native, Default: "4096", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Securities] }},
	{Name: "MaxHandshakes", In: Msrpcd, Variable: "MSRPC_MAX_HANDSHAKES", For: Native, Default: "384", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Handshakes].Total }},
	{Name: "MaxHandshakesPerSource", In: Msrpcd, Variable: "MSRPC_MAX_HANDSHAKES_PER_SOURCE", For: Native, Default: "64", Low: 1, High: many,
		field: func(v *Values) any { return &v.Limits[source.Handshakes] }},
	{Name: "MaxPartial", In: Msrpcd, Variable: "MSRPC_MAX_PARTIAL", For: Native, Unit: Bytes, Default: "67108864", Low: 1, High: 1 << 30,
		field: func(v *Values) any { return &v.Limits[source.Partial].Total }},
	{Name: "MaxPartialPerSource", In: Msrpcd, Variable: "MSRPC_MAX_PARTIAL_PER_SOURCE", For: Native, Unit: Bytes, Default: "16777216", Low: 1, High: 1 << 30,
		field: func(v *Values) any { return &v.Limits[source.Partial] }},
	{Name: "MaxUnsent", In: Msrpcd, Variable: "MSRPC_MAX_UNSENT", For: Native, Unit: Bytes, Default: "268435456", Low: 1, High: 1 << 30,
		field: func(v *Values) any { return &v.Limits[source.Unsent].Total }},
	{Name: "MaxUnsentPerSource", In: Msrpcd, Variable: "MSRPC_MAX_UNSENT_PER_SOURCE", For: Native, Unit: Bytes, Default: "67108864", Low: 1, High: 1 << 30,
		field: func(v *Values) any { return &v.Limits[source.Unsent] }},

	{Variable: "MSRPC_PIPES", For: Broker, Unit: Text, field: func(v *Values) any { return &v.PlainPipes }},

	{Variable: "MSRPC_EXEC", For: Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.Exec }},
	{Variable: "MSRPC_EXEC_ID", For: Samba, Unit: Text, field: func(v *Values) any { return &v.ExecID }},
	{Variable: "MSRPC_SMB_CONF", For: Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.SmbConf }},
	{Variable: "MSRPC_MESSAGING_DIR", For: Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.MessagingDir }},
	{Variable: "MSRPC_LOCK_DIR", For: Samba, Needs: Samba, Unit: Path, field: func(v *Values) any { return &v.LockDir }},
	{Variable: "MSRPC_SAMBA_VERSION", For: Samba, Unit: Text, field: func(v *Values) any { return &v.SambaVersion }},
	{Variable: "MSRPC_NETBIOS_NAME", For: Samba, Unit: Text, field: func(v *Values) any { return &v.NetbiosName }},
	{Variable: "MSRPC_GUEST_ACCOUNT", For: Samba, Unit: Text, Default: "nobody", field: func(v *Values) any { return &v.GuestAccount }},
	{Variable: "MSRPC_LOGGING", For: Samba, Unit: Text, field: func(v *Values) any { return &v.Logging }},
	{Variable: "MSRPC_DEBUG_LEVEL", For: Samba, Unit: Text, field: func(v *Values) any { return &v.DebugLevel }},

	{Variable: "MSRPC_WINBIND_PIPE", For: Auth, Unit: Path, Default: layout.WinbindPipe, field: func(v *Values) any { return &v.WinbindPipe }},
	{Variable: "MSRPC_NTLM_WITHOUT_MIC", For: Auth, Unit: Switch, Default: "no", field: func(v *Values) any { return &v.WithoutMIC }},
}

// Of lists the rows of processes of the kinds p.
func Of(p Process) []*Row {
	var rows []*Row
	for i := range Table {
		if Table[i].For&p != 0 {
			rows = append(rows, &Table[i])
		}
	}
	return rows
}

// Defaults are the values that the table gives.
func Defaults() Values {
	var v Values
	for i := range Table {
		Table[i].Reset(&v)
	}
	return v
}

// Environ reads what processes of the kinds p get; where a variable is not set,
// v keeps its value.
func (v *Values) Environ(p Process, getenv func(string) string) error {
	for _, r := range Of(p) {
		text := getenv(r.Variable)
		if text == "" && r.Needs&p == 0 {
			continue
		}
		if err := r.Set(v, text); err != nil {
			return &VariableError{r.Variable, text, err}
		}
	}
	return nil
}
