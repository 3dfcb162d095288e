// SPDX-License-Identifier: Apache-2.0

// Package ntlm is the server side of NTLM (MS-NLMP): NTLMv2 with extended
// session security, a MIC, 128-bit keys that are exchanged, and nothing weaker.
// It holds no password and no hash: package auth's Accounts check responses.
//
// Its API is for others to import.
package ntlm
