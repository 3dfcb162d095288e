// SPDX-License-Identifier: Apache-2.0

// Package wanted describes a host on which everything is as it should be, as a
// list of items: the target and what it starts, directories, status files,
// listeners, inboxes, services and their settings, smb.conf, smbd, addresses.
//
//	Items(plan, catalogue, configuration) -> Look (one State) -> Check -> findings
//	                                                              Group -> causes first
//	                                                              Mend  -> as it should be again
//
// msrpcctl verify shows what Check finds; msrpcctl refresh mends the same
// findings by Mend. So what one sees the other can mend, and a finding says
// whether it does.
//
// What always holds: Look and Check change nothing and connect nowhere. A
// finding is true: what cannot be seen, without privilege or without systemd, is
// named in State.Unknown and never found. Mend closes no listener that is well
// and ends no connection that is served.
//
// Its API is for msrpcd alone and may change with any version.
package wanted
