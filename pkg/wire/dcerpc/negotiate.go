// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns the lengths of fragments that the two sides agree on.

// Lengths of fragments, in bytes.
const (
	// MustRecvFragSize is what every implementation has to take (C706 12.6.3.1).
	MustRecvFragSize = 1432
	// FragSizeTCP is what Windows and Samba send and take on ncacn_ip_tcp and
	// ncalrpc, FragSizeNP on ncacn_np. Requests may have this length whatever a
	// bind negotiated: it is the maxFrag of Parse.
	FragSizeTCP = 5840
	FragSizeNP  = 4280
	// fragFloor is what Windows answers to nonsense, such as 0.
	fragFloor = 2048
)

// ServerFragSize returns a server's answer to a bind: its max_xmit_frag and its
// max_recv_frag at the same time, which are one number in Windows and Samba.
// own is FragSizeTCP or FragSizeNP, offer from the bind. The answer is the
// smallest of the three, a multiple of 8 bytes, so that fragments of stubs are
// aligned. Sizes below MustRecvFragSize are not allowed and count as 2048.
func ServerFragSize(own int, offer Offer) uint16 {
	size := int(min(offer.MaxXmit, offer.MaxRecv))
	if size < MustRecvFragSize {
		size = fragFloor
	}
	return uint16(min(size, max(own, MustRecvFragSize), MaxPDU) &^ 7)
}

// ClientFragSizes returns the longest fragments that a client sends and takes
// after a bind_ack: at most what it offered itself, and what the server takes
// and sends. Sizes below MustRecvFragSize are not allowed and count as that.
func ClientFragSizes(offer Offer, ack Ack) (xmit, recv uint16) {
	xmit = max(MustRecvFragSize, min(offer.MaxXmit, ack.MaxRecv))
	recv = max(MustRecvFragSize, min(offer.MaxRecv, ack.MaxXmit))
	return xmit, recv
}
