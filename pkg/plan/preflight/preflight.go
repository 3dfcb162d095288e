// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Report is what a preflight did.
type Report struct {
	Made      []string `json:"made"`          // directories that were made, or whose mode was wrong
	Rpcds     int      `json:"rpcds"`         // with a status file
	Catalogue bool     `json:"catalogue"`     // false: there is none yet, so nothing was to be done
	Checked   bool     `json:"smb_conf_read"` // smb.conf was looked at
}

// OnDemandError says that smb.conf lets smbd start samba-dcerpcd.
type OnDemandError struct{ Config string }

// Error gives the line that is needed.
func (e *OnDemandError) Error() string {
	return fmt.Sprintf("smbd would start samba-dcerpcd, which takes all pipes away: put the line "+
		"`rpc start on demand helpers = no` into [global] of %s, then restart smbd and run msrpcctl refresh", e.Config)
}

// Run prepares for the catalogue at path with the configuration cfg. samba
// reads smb.conf as it is now.
func Run(ctx context.Context, path string, cfg *config.Config, samba func(context.Context, config.Global) (*config.Samba, error)) (*Report, error) {
	rep := &Report{Made: []string{}}
	c, err := catalogue.Read(path)
	if errors.Is(err, catalogue.ErrNone) {
		return rep, nil // the first refresh comes after us and reloads us
	}
	if err != nil {
		return rep, fmt.Errorf("%w; run msrpcctl refresh", err)
	}
	rep.Catalogue = true
	p := plan.New(c, cfg)
	for _, d := range Directories(p) {
		changed, err := d.Make()
		if err != nil {
			return rep, err
		}
		if changed {
			rep.Made = append(rep.Made, d.Path)
		}
	}
	for _, r := range p.Rpcds {
		uid, gid, err := StatusOwner(r.Kind)
		if err != nil {
			return rep, err
		}
		if err := status.Prepare(layout.StatusFile(r.Name), r.Workers+r.Spares, uid, gid); err != nil {
			return rep, err
		}
		rep.Rpcds++
	}
	rep.Checked, err = checkSamba(ctx, p, samba)
	return rep, err
}

// StatusOwner is the owner of the status file of an rpcd of this kind.
func StatusOwner(kind config.Kind) (uid, gid int, err error) {
	if gid, err = groupID(layout.Group); err != nil {
		return 0, 0, err
	}
	if kind == config.KindNative {
		uid, err = userID(layout.RpcdUser)
	}
	return uid, gid, err
}

// checkSamba refuses a smb.conf that lets smbd start samba-dcerpcd, if an rpcd
// of Samba is served here. One that cannot be read now, such as a registry
// before its cluster is up, counts as at the last refresh: smbd cannot read it
// either, and named pipes are there when it can.
func checkSamba(ctx context.Context, p *plan.Plan, samba func(context.Context, config.Global) (*config.Samba, error)) (checked bool, err error) {
	if !p.ServesSamba() {
		return false, nil
	}
	now, err := samba(ctx, p.Config.Global)
	if err != nil {
		if was := p.Catalogue.Samba; was == nil || was.HelpersOnDemand {
			return false, err
		}
		return false, nil
	}
	if now.HelpersOnDemand {
		return true, &OnDemandError{Config: p.Config.Global.SambaConfig}
	}
	return true, nil
}

// userID is the number of a user.
func userID(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("user %s: %w; run systemd-sysusers", name, err)
	}
	return strconv.Atoi(u.Uid)
}

// groupID is the number of a group.
func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("group %s: %w; run systemd-sysusers", name, err)
	}
	return strconv.Atoi(g.Gid)
}

// Directories lists what a plan needs, parents first.
func Directories(p *plan.Plan) []Directory {
	var dirs []Directory
	if s := p.Catalogue.Samba; s != nil {
		dirs = append(dirs, Directory{s.NcalrpcDir, 0o755})
		if socketDir := filepath.Dir(s.NPDir); socketDir != s.NcalrpcDir {
			dirs = append(dirs, Directory{socketDir, 0o755})
		}
		dirs = append(dirs, Directory{s.NPDir, 0o700})
		if s.Installed() {
			dirs = append(dirs, Directory{filepath.Join(s.LockDir, "msg.lock"), 0o755})
		}
		if dir := p.Catalogue.MessagingDir; dir != "" {
			dirs = append(dirs, Directory{filepath.Join(dir, "msg.sock"), 0o700})
		}
	}
	dirs = append(dirs, Directory{layout.Runtime, 0o755})
	if len(p.Rpcds) > 0 {
		dirs = append(dirs, Directory{layout.Root(), 0o755})
	}
	for _, r := range p.Rpcds {
		dirs = append(dirs, Directory{layout.RpcdDir(r.Name), 0o755})
	}
	return dirs
}
