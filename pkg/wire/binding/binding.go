// SPDX-License-Identifier: Apache-2.0

package binding

// Protocol sequences that Samba lists (MS-RPCE 2.1.1).
const (
	NP      = "ncacn_np"
	TCP     = "ncacn_ip_tcp"
	Ncalrpc = "ncalrpc"
	HTTP    = "ncacn_http"
)

// Binding is a protocol sequence with a host and an endpoint.
type Binding struct {
	Protseq  string // one of the constants, or another that starts with "nca"
	Host     string `json:",omitempty"` // of TCP a name or an address, of NP a NetBIOS name; "" is this host, or not known
	Endpoint string // `\pipe\winreg`, "135", "EPMAPPER" or an absolute path; "" is left open
}

// String returns the string binding as C706 and Samba write it, such as
// `ncacn_np:[\pipe\winreg]` or "ncacn_ip_tcp:"; an IPv6 address has no brackets.
func (b Binding) String() string {
	s := b.Protseq + ":" + b.Host
	if b.Endpoint != "" {
		s += "[" + b.Endpoint + "]"
	}
	return s
}
