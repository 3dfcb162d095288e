// SPDX-License-Identifier: Apache-2.0

// Package plan resolves what this host is to serve: the rpcds of the catalogue
// with the settings of the configuration, their numbers of workers, and their
// listeners. Package unitgen makes units of a plan; the endpoint mapper,
// preflight, wanted and msrpcctl read it.
//
// What always holds: a plan is a pure function of its two inputs, in the order
// of the catalogue. An endpoint belongs to one rpcd. Every path and name in it
// can stand in a unit (package unittext); what cannot is left out and is in
// Problems.
//
// Its API is for msrpcd alone and may change with any version.
package plan
