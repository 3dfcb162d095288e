// SPDX-License-Identifier: Apache-2.0

// Package npa is the server's side of Samba's named pipe authentication: what
// smbd says on np/<pipe> before the pipe's own bytes flow.
//
// A request is a big-endian u32 with the number of bytes after it, "NPAM", the
// level, the level again as the tag of a union, and one
// named_pipe_auth_req_info in NDR, little-endian, aligned to the request.
//
// Its API is for others to import.
package npa
