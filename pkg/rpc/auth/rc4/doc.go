// SPDX-License-Identifier: Apache-2.0

// Package rc4 is the cipher of that name, with a state that can be saved and made
// anew without an allocation, as NTLM and old Kerberos need: crypto/rc4 can do
// neither.
//
// Its API is for others to import.
package rc4
