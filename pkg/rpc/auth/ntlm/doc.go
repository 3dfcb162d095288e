// SPDX-License-Identifier: Apache-2.0

// Package ntlm is NTLM (MS-NLMP): NTLMv2 with extended session security, a MIC,
// 128-bit keys that are exchanged, and nothing weaker. A server's Mechanism holds
// no password and no hash: package auth's Accounts check responses. A Client has
// the hash of its account.
//
// Its API is for others to import.
package ntlm
