// SPDX-License-Identifier: Apache-2.0

// Package binding is string bindings, C706 appendix I: where an interface is
// served, or a server is reached. Object UUIDs and options are not part of it.
//
// What always holds: it owns no grammar. Listings, towers and command lines each
// have their own, and give a Binding that has passed it.
//
// Its API is for servers: an interface of an rpcd lists bindings.
package binding
