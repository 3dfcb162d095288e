// SPDX-License-Identifier: Apache-2.0

package journal

// Message ids. Each has an entry of the same id in units/msrpcd.catalog; a
// test holds the two against each other. An id is never reused.
const (
	IDBrokerStarted     = "7d21b0b67cf041dd8e1c64fe4d48d504" // broker: listeners taken, what it serves
	IDBrokerIdle        = "32f9073147114375a8be83e19439bd2a" // broker: idle exit
	IDBrokerReplaced    = "984f84eb04d1887afbf3062be1325844" // broker: its program was replaced, it restarts
	IDParkingTaken      = "24497b2a9eec4006b6f6285e6fe1621b" // broker: parked connections taken up after a restart
	IDBadPDU            = "3956771dd57549bfa509b7bc4f472688" // broker: first PDU refused
	IDBadNPA            = "7e36c438c9c74959b51f5ae6489ff401" // broker: named pipe auth request refused
	IDBadPeer           = "50e0224ba97c4e2f925915fdbed5113c" // broker: peer is not allowed on this listener
	IDBindTimeout       = "cada6fc7e6d548d29d9e449d30dc715e" // broker: no complete bind in time
	IDLimit             = "d5c113f9e95445a391417f0e0a1bcddd" // broker: a limit is reached
	IDInboxGone         = "1aa1007f4fc649189aa06021fcaae37a" // broker: a worker's inbox cannot be reached
	IDAcceptFailed      = "887d1e8ec06d42d6b98cf9589cf3fe7b" // broker: accept fails (out of descriptors)
	IDWorkerReady       = "b6dd9e1444ac4b45800400a542c30d9f" // worker: the rpcd is ready
	IDWorkerIdle        = "36b04e7d4758454e8a984cb9647149fe" // worker: idle exit
	IDChildDied         = "40a128b1c9a944e58f0a4ae998509581" // worker: the rpcd ended by itself
	IDWorkerDrains      = "2f558afac17f4a869c5746db242de20e" // worker: takes no new clients, serves those it has to their end
	IDLogNotRead        = "fadcaa355b2b4f14b2f47c5027ec4f32" // worker: the log file of the rpcd cannot be watched
	IDHandoverRefused   = "4dd426a23f0f4a1a99583155d530e339" // worker: a hand-over is not acceptable
	IDScriptsKept       = "50d37db7a2a94a58868da9a40fb8c56e" // scripts: what they left running goes on in a scope
	IDScriptsEnded      = "083186c19d5540c6a133aaa44d4ec1a7" // scripts: what they left running ends with the target
	IDLayoutUnknown     = "bcea4c3652c84d4b9d4232805418b92e" // worker: the rpcd speaks an unknown layout
	IDOperationFailed   = "50e089747cee4a6a90fb26a7655cfb41" // native rpcd: an operation panicked
	IDLogonFailed       = "0f6f6d0b7c6b4c9f9a7d52f1a3c4e8b5" // native rpcd: a client could not be authenticated
	IDAccessDenied      = "c1b7e0a45d0e4f3f8f1f5b9d6a2e7c34" // native rpcd: a caller may not make a call
	IDNotKept           = "6fa23489195a469e9df1e0bd1c8d1bc9" // native worker: a connection of the process before cannot be served on
	IDEntriesUnusable   = "d89821a832774fe49356e7208715627b" // endpoint mapper: inserted entries cannot be read or kept
	IDRefreshDone       = "0b723d85cc6a467083ef0d5bf2cd1ec6" // refresh: catalogue written
	IDListingFailed     = "4d8ad2e5fae4455fb0e26f8057348343" // refresh: --list-interfaces of an rpcd failed
	IDEndpointConflict  = "46c14c8ae46b43e28b62573fa1bf020c" // refresh: two rpcds claim one endpoint
	IDListenerHealed    = "9c10ca2c6c064326a7e8bf3b348014da" // refresh: something was not as it should be and was mended
	IDConfigProblem     = "37e26bded0ed4a87b3f0368812478e57" // configuration: unknown key or bad value
	IDPreflightRefused  = "a3cb87541c874603a13e8ab8d4de06a0" // preflight: smb.conf is not fit for msrpcd
	IDSambaUnreadable   = "a999a76116eb4127a8bf93fac9775b24" // refresh: smb.conf cannot be read through testparm
	IDPortUnavailable   = "93be9eff8ede4bc48ce4ea7ab4b60672" // refresh: no TCP port for an rpcd
	IDCatalogueUnusable = "64b210a271c546f6ba1f1c12771ae7a9" // refresh, preflight, endpoint mapper: the catalogue cannot be read or written
	IDUnitProblem       = "e3db5277eddd43cb93a96dcaef3ee5ff" // generator: units are not as configured
	IDMessagesDropped   = "74a35dba13374de5a9767a831f9e0aec" // any program: the journal did not read, messages were dropped
	IDRefreshFailed     = "ecbbfb54c5774508ab9f5cbe913503d2" // refresh: it failed, or not every unit could be brought up
	IDKeysUnusable      = "77c991f55e4f434ea425f3dd8d084e59" // msrpc-auth: a keytab or a file of NT hashes cannot be used
)
