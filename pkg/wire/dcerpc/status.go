// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "strconv"

// This file owns the status codes of faults: those of C706 appendix E, and the
// Windows errors that MS-RPCE servers send in their place (MS-ERREF 2.2).

// Status is the status of a fault. It is an error, for clients.
type Status uint32

// Status codes of C706 (nca_s_*).
const (
	NcaCommFailure        Status = 0x1c010001
	NcaOpRange            Status = 0x1c010002 // no operation with this opnum
	NcaUnknownIf          Status = 0x1c010003 // no such interface, or presentation context
	NcaWrongBootTime      Status = 0x1c010006
	NcaYouCrashed         Status = 0x1c010009
	NcaProtoError         Status = 0x1c01000b
	NcaOutArgsTooBig      Status = 0x1c010013
	NcaServerTooBusy      Status = 0x1c010014
	NcaStringTooLong      Status = 0x1c010015
	NcaUnsupportedType    Status = 0x1c010017
	NcaIntDivByZero       Status = 0x1c000001
	NcaAddrError          Status = 0x1c000002
	NcaFPDivByZero        Status = 0x1c000003
	NcaFPUnderflow        Status = 0x1c000004
	NcaFPOverflow         Status = 0x1c000005
	NcaInvalidTag         Status = 0x1c000006 // a union without this arm
	NcaInvalidBound       Status = 0x1c000007 // an array's bounds
	NcaVersionMismatch    Status = 0x1c000008
	NcaUnspecReject       Status = 0x1c000009
	NcaBadActid           Status = 0x1c00000a
	NcaWhoAreYouFailed    Status = 0x1c00000b
	NcaManagerNotEntered  Status = 0x1c00000c
	NcaCancel             Status = 0x1c00000d // the call was cancelled
	NcaIllInst            Status = 0x1c00000e
	NcaFPError            Status = 0x1c00000f
	NcaIntOverflow        Status = 0x1c000010
	NcaUnspec             Status = 0x1c000012
	NcaRemoteCommFailure  Status = 0x1c000013
	NcaPipeEmpty          Status = 0x1c000014
	NcaPipeClosed         Status = 0x1c000015
	NcaPipeOrder          Status = 0x1c000016
	NcaPipeDiscipline     Status = 0x1c000017
	NcaPipeCommError      Status = 0x1c000018
	NcaPipeMemory         Status = 0x1c000019
	NcaContextMismatch    Status = 0x1c00001a // a context handle that the server does not know
	NcaRemoteNoMemory     Status = 0x1c00001b
	NcaInvalidPresContext Status = 0x1c00001c
	NcaUnsupportedAuthn   Status = 0x1c00001d
	NcaInvalidChecksum    Status = 0x1c00001f
	NcaInvalidCRC         Status = 0x1c000020
	NcaUserDefined        Status = 0x1c000021
	NcaTxOpenFailed       Status = 0x1c000022
	NcaCodesetConv        Status = 0x1c000023
	NcaObjectNotFound     Status = 0x1c000024
	NcaNoClientStub       Status = 0x1c000025
)

// Windows errors in faults (MS-RPCE 3.1.1.5.5, MS-ERREF 2.2).
const (
	FaultOther            Status = 1    // any other error
	FaultAccessDenied     Status = 5    // ERROR_ACCESS_DENIED
	FaultInvalidHandle    Status = 6    // ERROR_INVALID_HANDLE, or a context mismatch
	FaultNoMemory         Status = 14   // ERROR_OUTOFMEMORY
	FaultInvalidParameter Status = 87   // ERROR_INVALID_PARAMETER
	FaultUnknownIf        Status = 1717 // RPC_S_UNKNOWN_IF
	FaultUnavailable      Status = 1722 // RPC_S_SERVER_UNAVAILABLE
	FaultTooBusy          Status = 1723 // RPC_S_SERVER_TOO_BUSY
	FaultNoCallActive     Status = 1725 // RPC_S_NO_CALL_ACTIVE
	FaultCallFailed       Status = 1726 // RPC_S_CALL_FAILED
	FaultCallFailedDNE    Status = 1727 // RPC_S_CALL_FAILED_DNE
	FaultProtocol         Status = 1728 // RPC_S_PROTOCOL_ERROR
	FaultUnsupportedType  Status = 1732 // RPC_S_UNSUPPORTED_TYPE
	FaultInvalidTag       Status = 1733 // RPC_S_INVALID_TAG
	FaultInvalidBound     Status = 1734 // RPC_S_INVALID_BOUND
	FaultOpnumRange       Status = 1745 // RPC_S_PROCNUM_OUT_OF_RANGE
	FaultCantPerform      Status = 1752 // EPT_S_CANT_PERFORM_OP
	FaultNotRegistered    Status = 1753 // EPT_S_NOT_REGISTERED
	FaultCannotSupport    Status = 1764 // RPC_S_CANNOT_SUPPORT
	FaultNullRef          Status = 1780 // RPC_X_NULL_REF_POINTER
	FaultEnumRange        Status = 1781 // RPC_X_ENUM_VALUE_OUT_OF_RANGE
	FaultByteCount        Status = 1782 // RPC_X_BYTE_COUNT_TOO_SMALL
	FaultBadStubData      Status = 1783 // RPC_X_BAD_STUB_DATA
	FaultCancelled        Status = 1818 // RPC_S_CALL_CANCELLED
	FaultSecurityPackage  Status = 1825 // RPC_S_SEC_PKG_ERROR
)

// String returns the status's name, or its number in hexadecimal.
func (s Status) String() string {
	if name, ok := StatusName(s); ok {
		return name
	}
	n := strconv.FormatUint(uint64(s), 16)
	return "0x00000000"[:10-len(n)] + n
}

func (s Status) Error() string { return "rpc fault " + s.String() }
