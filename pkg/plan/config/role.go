// SPDX-License-Identifier: Apache-2.0

// This file owns what smb.conf's "server role" decides.

package config

import (
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
)

// RoleADDC is the role in which samba(8) has the endpoint mapper, and most
// services, itself.
const RoleADDC = "active directory domain controller"

// On gives the transports of r on a host with this smb.conf: those that were
// set, else the default. A rpcd of Samba on an Active Directory domain
// controller has no TCP by default: the endpoint mapper of samba(8) does not
// know its port, so that no client of the domain would come there.
func (r *Rpcd) On(s *Samba) []layout.Transport {
	switch {
	case r.Transports != nil:
		return r.Transports
	case r.Kind == KindSamba && s != nil && s.ServerRole == RoleADDC:
		return slices.DeleteFunc(slices.Clone(layout.Transports), layout.Transport.IP)
	}
	return layout.Transports
}

// role is "server role", or what "auto" means for "security" and "domain
// logons" (smb.conf(5)).
func role(p map[string]string) string {
	r := strings.ToLower(p["serverrole"])
	if r != "" && r != "auto" {
		return r
	}
	logons, _ := boolean(p["domainlogons"])
	master, err := boolean(p["domainmaster"])
	switch security := strings.ToLower(p["security"]); {
	case security == "ads" || security == "domain":
		return "member server"
	case logons && err == nil && !master:
		return "classic backup domain controller"
	case logons:
		return "classic primary domain controller"
	}
	return "standalone server"
}
