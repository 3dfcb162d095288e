// SPDX-License-Identifier: Apache-2.0

package samba

import "encoding/binary"

// WorkerStatus is what an rpcd sends its parent: once when it is ready, then
// each time a connection has ended.
type WorkerStatus struct {
	Group       uint32 // --worker-group
	Index       uint32 // --worker-index
	AssocGroups uint32 // association groups, from 4.20 on
	HasGroups   bool
	Connections uint32 // open, of those that the rpcd has taken up so far
}

// ParseWorkerStatus decodes the body of MsgWorkerStatus: 6 bytes (4.16.0 to
// 4.17.5), 9 bytes (4.17.6 to 4.19) or 16 bytes (from 4.20). ok is false for
// any other length.
func ParseWorkerStatus(b []byte) (s WorkerStatus, ok bool) {
	switch len(b) {
	case 6:
		return WorkerStatus{
			Group: uint32(b[0]), Index: uint32(b[1]),
			Connections: binary.LittleEndian.Uint32(b[2:]),
		}, true
	case 9:
		return WorkerStatus{
			Group: uint32(b[0]), Index: binary.LittleEndian.Uint32(b[1:]),
			Connections: binary.LittleEndian.Uint32(b[5:]),
		}, true
	case 16:
		return WorkerStatus{
			Group: binary.LittleEndian.Uint32(b), Index: binary.LittleEndian.Uint32(b[4:]),
			AssocGroups: binary.LittleEndian.Uint32(b[8:]), HasGroups: true,
			Connections: binary.LittleEndian.Uint32(b[12:]),
		}, true
	}
	return WorkerStatus{}, false
}
