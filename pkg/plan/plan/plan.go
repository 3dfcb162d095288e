// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/unittext"
	"msrpcd/pkg/wire/abi"
)

// Plan is what this host is to serve.
type Plan struct {
	Rpcds    []Rpcd           // those that have a listener, in priority order
	KeepOut  []string         // native rpcds whose service Samba has elsewhere on this host: no listener, and no problem
	Problems []config.Problem // mistakes in files, and with no File what follows from the catalogue

	Watched []string // paths for msrpc-refresh.path

	Catalogue *catalogue.Catalogue // what it was made from
	Config    *config.Config
}

// Rpcd is one rpcd with everything resolved.
type Rpcd struct {
	setting.Values // what its processes get; of a Direct one, Workers is 1

	Kind      config.Kind
	Direct    bool // no broker and no inbox: worker 0, the only one, has the listeners
	Prestart  bool
	Listeners []Listener       // in the order of layout.Transports, at least one
	Entry     *catalogue.Entry // what it was made from
}

// Service is the service that has the listeners: it starts with the first
// connection, and has to be restarted to get other ones.
func (r *Rpcd) Service() string {
	if r.Direct {
		return layout.WorkerService(r.Name, 0)
	}
	return layout.BrokerService(r.Name)
}

// caller is the program of Samba that opens the registry while it starts, as a client
// that needs a spare of its own. The others do so when a client's call needs it.
const caller = "rpcd_classic"

// Registry is the rpcd that r calls while it starts, nil for none. The two start side
// by side.
func (p *Plan) Registry(r *Rpcd) *Rpcd {
	to := p.Rpcd("winreg")
	if to == nil || to.Kind != config.KindSamba || to.Spares == 0 || to.Listeners[0].Transport != layout.NP || r.Kind != config.KindSamba || path.Base(r.Exec) != caller {
		return nil
	}
	return to
}

// Called reports whether clients that start r are as a rule other rpcds, which need a
// spare, so that no ordinary worker is to start with its broker.
func (p *Plan) Called(r *Rpcd) bool {
	return slices.ContainsFunc(p.Rpcds, func(by Rpcd) bool { return p.Registry(&by) == r })
}

// Rpcd is the rpcd of that name, or nil.
func (p *Plan) Rpcd(name string) *Rpcd {
	if i := slices.IndexFunc(p.Rpcds, func(r Rpcd) bool { return r.Name == name }); i >= 0 {
		return &p.Rpcds[i]
	}
	return nil
}

// ServesSamba reports whether there is an rpcd of Samba, for which smbd would
// start its own.
func (p *Plan) ServesSamba() bool {
	return slices.ContainsFunc(p.Rpcds, func(r Rpcd) bool { return r.Kind == config.KindSamba })
}

// Listener is one socket unit.
type Listener struct {
	Transport layout.Transport
	Unit      string   // name of the socket unit
	Nodes     []string // paths; for TCP host:port, or :port where it listens on all addresses
	Ports     []int    // TCP only, each once, rising
}

// New resolves the catalogue's rpcds, in their order, with the settings of
// cfg. An endpoint that two rpcds claim goes to the first; one that keeps out
// (catalogue.Entry) claims none. Problems begins with those of the files.
func New(c *catalogue.Catalogue, cfg *config.Config) *Plan {
	p := &Plan{Catalogue: c, Config: cfg, Watched: watched(c, cfg)}
	settings := map[string]config.Rpcd{}
	files := slices.Clone(cfg.Problems)
	for i := range c.Rpcds {
		e := &c.Rpcds[i]
		if s, more, ok := cfg.Override(e.Name, e.Exec); ok { // else no file is about it any more
			settings[e.Name] = s
			files = append(files, more...)
		}
	}
	for _, f := range files {
		if !slices.Contains(p.Problems, f) {
			p.Problems = append(p.Problems, f)
		}
	}
	if err := p.checkSamba(); err != nil {
		p.problem("change it", "smb.conf: %v; nothing is served", err)
		return p
	}
	claims := claims{}
	for i := range c.Rpcds {
		e := &c.Rpcds[i]
		s, ok := settings[e.Name]
		if !ok {
			continue
		}
		if _, err := unittext.Program(e.Exec); err != nil {
			p.problem("", "%s: program %v; it is left out", e.Name, err)
			continue
		}
		if e.KeepsOut() {
			p.KeepOut = append(p.KeepOut, e.Name)
			continue
		}
		if ls := p.listeners(e, s, addressSets(c, cfg.Masked[layout.ListenerSocket(layout.TCP, e.Name)]), claims); len(ls) > 0 {
			r := p.resolve(e, s)
			r.Listeners, r.Port = ls, dynamicPort(e, s)
			p.Rpcds = append(p.Rpcds, r)
		}
	}
	return p
}

// resolve settles numbers: a setting, else what the listing says, within what
// the rpcd's generation of Samba can address.
func (p *Plan) resolve(e *catalogue.Entry, set config.Rpcd) Rpcd {
	r := Rpcd{Values: set.Values, Kind: e.Kind, Entry: e, Prestart: set.Prestart}
	p.found(e, &r.Values)
	if r.Idle == 0 {
		r.Idle = time.Duration(min(max(e.Listing.IdleSec, 1), setting.MaxIdleSec)) * time.Second
	}
	if set.Activation == config.ActivationDirect && e.Kind == config.KindNative {
		r.Direct, r.Workers, r.Spares, r.FillFirst = true, 1, 0, 0
		return r
	}
	if r.Workers == 0 {
		r.Workers = max(e.Listing.Workers, 1)
	}
	if e.Kind == config.KindSamba {
		r.IndexBits = abi.IndexBits(r.SambaVersion)
	}
	limit := min(status.MaxWorkers, 1<<r.IndexBits)
	if most := min(limit, setting.MaxWorkers); r.Workers > most {
		p.problem("", "%s: %d workers are more than the %d that it can address; %d are used",
			r.Name, r.Workers, most, most)
		r.Workers = most
	}
	if r.Workers+r.Spares > limit {
		if set.Spares != setting.Defaults().Spares {
			p.problem("", "%s: %d workers and %d spares are more than the %d that it can address; %d spares are used",
				r.Name, r.Workers, r.Spares, limit, limit-r.Workers)
		}
		r.Spares = limit - r.Workers
	}
	return r
}

// found fills in what no file sets.
func (p *Plan) found(e *catalogue.Entry, v *setting.Values) {
	s := p.Catalogue.Samba
	v.Name, v.Exec = e.Name, e.Exec
	v.ExecID = fmt.Sprintf("%d:%d:%d", e.Binary.Size, e.Binary.MTimeNS, e.Binary.Inode)
	v.NPDir, v.NcalrpcDir, v.SmbConf, v.LockDir = s.NPDir, s.NcalrpcDir, s.ConfigFile, s.LockDir
	v.MessagingDir = cmp.Or(p.Catalogue.MessagingDir, s.LockDir)
	if s.DefaultLogging {
		v.Logging = "file"
	}
	v.SambaVersion, v.NetbiosName, v.GuestAccount = version(e, s), s.NetbiosName, s.GuestAccount
	var pipes []string
	for _, n := range e.Listing.Pipes {
		pipes = append(pipes, fmt.Sprintf("%s:%d:%d:%d", n.Name, n.FileType, n.DeviceState, n.Allocation))
	}
	v.PlainPipes = strings.Join(pipes, " ")
}

// checkSamba refuses what cannot stand in a unit.
func (p *Plan) checkSamba() error {
	s := p.Catalogue.Samba
	if s == nil {
		return fmt.Errorf("it was not readable at the last refresh")
	}
	for _, d := range []struct{ what, path string }{
		{"ncalrpc dir", s.NcalrpcDir}, {"directory of pipes", s.NPDir}, {"lock directory", s.LockDir},
		{"messaging directory", p.Catalogue.MessagingDir}, {"its own path", s.ConfigFile},
	} {
		if d.path == "" && d.path == p.Catalogue.MessagingDir {
			continue // the lock directory stands in
		}
		if _, err := unittext.Path(d.path); err != nil {
			return fmt.Errorf("%s: %w", d.what, err)
		}
	}
	for _, t := range []struct{ what, text string }{
		{"netbios name", s.NetbiosName}, {"guest account", s.GuestAccount}, {"version", s.Version},
	} {
		if _, err := unittext.Word(t.text); err != nil {
			return fmt.Errorf("%s: %w", t.what, err)
		}
	}
	return nil
}

func (p *Plan) problem(remedy, format string, args ...any) {
	p.Problems = append(p.Problems, config.Problem{What: fmt.Sprintf(format, args...), Remedy: remedy})
}

// version is that of the rpcd itself, else that of testparm.
func version(e *catalogue.Entry, s *config.Samba) string {
	if e.SambaVersion != "" {
		return e.SambaVersion
	}
	return s.Version
}
