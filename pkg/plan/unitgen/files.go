// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"
	"path"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Installation settings; meson sets them with -ldflags -X.
var (
	UnitDir   = "/usr/lib/systemd/system"                            // packaged units
	Generator = "/usr/lib/systemd/system-generators/msrpc-generator" // this program
	Kill      = "/bin/kill"                                          // kill(1)
	// HasRestartSteps is "yes" where systemd knows RestartSteps= and
	// RestartMaxDelaySec=; older ones warn about unknown keys.
	HasRestartSteps = ""
)

// File is a generated file: contents, or a symbolic link when Link is set.
type File struct {
	Data []byte
	Link string // target
	Kept string // path of a file with this Data that may be linked to, "" for none
}

// set collects files. Every path is below the generator's normal directory.
type set struct {
	files    map[string]File
	builders map[string]*builder
	err      error
}

func (s *set) add(path string, b *builder) {
	f, err := b.file()
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%s: %w", path, err)
	}
	s.files[path] = f
	s.builders[path] = b
}

// want makes unit start whenever owner does, by a link to target.
func (s *set) want(owner, unit, target string) {
	s.files[owner+".wants/"+unit] = File{Link: target}
}

// Files returns the generated files by their paths relative to the normal
// directory. An error is a text that got past plan.New and cannot stand in a
// unit; nothing is returned then.
func Files(p *plan.Plan) (map[string]File, error) {
	s, err := build(p)
	if err != nil {
		return nil, err
	}
	return s.files, nil
}

func build(p *plan.Plan) (*set, error) {
	s := &set{files: map[string]File{}, builders: map[string]*builder{}}
	s.add(layout.RefreshPath+".d/10-paths.conf", refreshPaths(p))
	if len(p.Problems) > 0 {
		var texts []string
		for _, pr := range p.Problems {
			texts = append(texts, pr.String())
		}
		s.problems(texts)
	}
	if p.Catalogue.FollowsNetwork() {
		s.want(layout.Target, layout.NetworkSocket, path.Join(UnitDir, layout.NetworkSocket))
	}
	for i := range p.Rpcds {
		r := &p.Rpcds[i]
		for _, l := range r.Listeners {
			s.add(l.Unit, listener(r, l))
			s.want(layout.Target, l.Unit, "../"+l.Unit)
			s.sameDropIns(r, l)
		}
		s.add(layout.Slice(r.Name), slice(r))
		worker := layout.WorkerTemplate(r.Name)
		if r.Kind == config.KindNative {
			s.add(worker, nativeWorker(r))
		} else {
			s.add(worker, sambaWorker(p, r))
		}
		if r.Direct {
			s.add(r.Service()+".d/10-listeners.conf", direct(r))
		} else {
			s.brokered(p, r)
		}
		if r.Prestart {
			s.add(layout.WorkerService(r.Name, 0)+".d/10-prestart.conf", stayUp())
			template := UnitDir + "/msrpc-broker@.service"
			if r.Direct {
				template = "../" + worker
			}
			s.want(layout.Target, r.Service(), template)
		}
		if usesBgqd(r) {
			s.add(layout.BgqdService, bgqd(p, r))
		}
	}
	return s, s.err
}

// brokered adds what stands between listeners and workers.
func (s *set) brokered(p *plan.Plan, r *plan.Rpcd) {
	s.add(r.Service()+".d/10-listeners.conf", broker(p, r))
	template := layout.InboxTemplate(r.Name)
	s.add(template, inbox(r))
	if r.Kind == config.KindNative {
		s.chain(r, template)
	}
}

// chain has each worker pull in the next inbox where its program does not ask for
// it. systemd loads the units of the whole chain with the first of them.
func (s *set) chain(r *plan.Rpcd, template string) {
	for i := range r.Indices() {
		if next, ok := r.Next(i); ok {
			s.want(layout.WorkerService(r.Name, i), layout.WorkerSocket(r.Name, next), "../"+template)
		}
	}
}

// sameDropIns makes what the administrator says of the first socket unit hold
// for one with a later set of addresses: IPAddressAllow= for one rpcd is not to
// be lost when an address comes.
func (s *set) sameDropIns(r *plan.Rpcd, l plan.Listener) {
	if first := layout.ListenerSocket(l.Transport, r.Name); l.Unit != first {
		s.files[l.Unit+".d"] = File{Link: path.Join(layout.AdminUnits, first+".d")}
	}
}
