// SPDX-License-Identifier: Apache-2.0

// Package scripts is the program msrpc-keep-scripts. systemd runs it, as
// ExecStopPost=, in the control group of a service of Samba's when the main
// process has ended, however it ended. What the service's program left behind
// of itself is killed. What scripts left running, such as a print command in
// the background or a service that svcctl started, lives on in a scope of its
// own below the rpcd's slice, which ends with msrpc.target. While the target
// is being stopped it ends at once.
//
// Without anything left behind, which is the rule, only two files of /proc and
// the control group are read.
//
// Its API is for msrpcd alone and may change with any version.
package scripts
