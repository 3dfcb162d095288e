// SPDX-License-Identifier: Apache-2.0

// Package hashes has accounts from a file of NT hashes, for hosts without Samba:
// lines as smbpasswd(5) describes and `pdbedit -L -w` prints them,
//
//	user1:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:
//
// of which it reads the name, the user id, the NT hash (MD4 of the password in
// UTF-16) and the letters D (disabled), L (locked), N (no password) and I (trust of
// another domain), which all may not log on; nor may one whose password is empty.
// Empty lines and those with a # in front say nothing. A hash is as good as a
// password: the file belongs into a credential (LoadCredential=).
//
// Its API is for others to import.
package hashes
