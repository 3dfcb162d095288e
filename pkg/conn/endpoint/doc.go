// SPDX-License-Identifier: Apache-2.0

// Package endpoint knows where connections come in: the listeners that systemd
// passes, and the binding strings that name them. Brokers and native rpcds
// share it.
//
// Its API is for msrpcd alone and may change with any version.
package endpoint
