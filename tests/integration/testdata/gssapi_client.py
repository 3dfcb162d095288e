# SPDX-License-Identifier: Apache-2.0
# A client of rpcecho over TCP that authenticates with MIT's GSS-API in DCE style,
# and shares no code with msrpcd: gssapi_client.py PORT SPEC..., where a SPEC is
# MECHANISM,PRINCIPAL,LEVEL,FLAGS; FLAGS are 7 with header signing and 3 without.
# It writes a line for each: what AddOne of 41 and EchoData of 9000 bytes answer,
# or how the server refuses.
import socket
import struct
import sys
import uuid

import gssapi
from gssapi import raw
from gssapi.raw import IOV, IOVBuffer, IOVBufferType as T

F = gssapi.RequirementFlag
FLAGS = F.dce_style | F.mutual_authentication | F.replay_detection | F.out_of_sequence_detection | F.confidentiality | F.integrity
MECHANISMS = {"krb5": (16, "1.2.840.113554.1.2.2"), "spnego": (9, "1.3.6.1.5.5.2")}
ECHO = uuid.UUID("60a15ec5-4de8-11d7-a637-005056a20182").bytes_le + struct.pack("<L", 1)
NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<L", 2)
BIND, ALTER, REQUEST = 11, 14, 0
CONNECT, PRIVACY = 2, 6


class Refused(Exception):
    pass


def around(value, sign):
    return IOVBuffer(T.sign_only if sign else T.empty, False, value if sign else b"")


class Client:
    def __init__(self, port, mechanism, principal, level, flags):
        self.auth, oid = MECHANISMS[mechanism]
        self.level, self.flags, self.call = level, flags, 0
        self.socket = socket.create_connection(("127.0.0.1", port), 15)
        name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
        self.gss = gssapi.SecurityContext(name=name, usage="initiate", mech=gssapi.OID.from_int_seq(oid), flags=FLAGS)
        self.handshake()

    def handshake(self):
        token, kind = self.gss.step(), BIND
        while token is not None:
            body = struct.pack("<HHLLHBB", 5840, 5840, 0, 1, 0, 1, 0) + ECHO + NDR
            self.send(kind, body, token)
            token = self.gss.step(self.read()[3]) if not self.gss.complete else None if self.read() else None
            kind = ALTER

    def header(self, kind, length, auth):
        return struct.pack("<BBBBLHHL", 5, 0, kind, self.flags if kind != REQUEST else 3, 0x10, length, auth, self.call)

    def trailer(self, pad=0):
        return struct.pack("<BBBBL", self.auth, self.level, pad, 0, 7)

    def send(self, kind, body, token):
        self.call += 1
        tail = self.trailer() + token
        self.socket.sendall(self.header(kind, 16 + len(body) + len(tail), len(token)) + body + tail)

    def read(self):
        b = self.exactly(16)
        length, auth = struct.unpack("<HH", b[8:12])
        b += self.exactly(length - 16)
        if b[2] == 13:
            raise Refused("nak %d" % struct.unpack("<H", b[16:18]))
        if b[2] == 3:
            raise Refused("fault 0x%08x" % struct.unpack("<L", b[24:28]))
        end = length - auth - (8 if auth else 0)
        return b[:24], b[24:end], b[end:end + 8], b[end + 8:], bool(b[3] & 2)

    def exactly(self, n):
        b = b""
        while len(b) < n:
            more = self.socket.recv(n - len(b))
            if not more:
                raise Refused("closed")
            b += more
        return b

    def request(self, opnum, stub):
        self.call += 1
        hint = struct.pack("<LHH", len(stub), 0, opnum)
        if self.level == CONNECT:
            self.socket.sendall(self.header(REQUEST, 24 + len(stub), 0) + hint + stub)
        else:
            pad = -len(stub) % 16
            stub, trailer = stub + bytes(pad), self.trailer(pad)
            size = self.signature_size(stub, trailer)
            head = self.header(REQUEST, 24 + len(stub) + 8 + size, size) + hint
            stub, value = self.protect(head, stub, trailer)
            assert len(value) == size, (len(value), size)
            self.socket.sendall(head + stub + trailer + value)
        answer, more = b"", True
        while more:
            head, stub, trailer, value, last = self.read()
            if self.level != CONNECT:
                stub = self.unprotect(head, stub, trailer, value)
                if trailer[2]:
                    stub = stub[:-trailer[2]]
            answer, more = answer + stub, not last
        return answer

    def parts(self, head, stub, trailer, value):
        sign = self.flags & 4
        return IOV(around(head, sign), IOVBuffer(T.data, True, stub), around(trailer, sign), IOVBuffer(T.header, value is None, value), std_layout=False)

    def signature_size(self, stub, trailer):
        if self.level != PRIVACY:
            return SIGNATURES[self.key_type()]
        iov = self.parts(bytes(24), stub, trailer, None)
        raw.wrap_iov_length(self.gss, iov, confidential=True)
        return len(iov[3].value)

    def key_type(self):
        oid = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2.5.5")  # GSS_C_INQ_SSPI_SESSION_KEY
        return raw.inquire_sec_context_by_oid(self.gss, oid)[1][-1]  # OID that ends with the type

    def protect(self, head, stub, trailer):
        if self.level != PRIVACY:
            return stub, self.gss.get_signature(head + stub + trailer if self.flags & 4 else stub)
        iov = self.parts(head, stub, trailer, None)
        raw.wrap_iov(self.gss, iov, confidential=True)
        return iov[1].value, iov[3].value

    def unprotect(self, head, stub, trailer, value):
        if self.level != PRIVACY:
            self.gss.verify_signature(head + stub + trailer if self.flags & 4 else stub, value)
            return stub
        iov = self.parts(head, stub, trailer, value)
        assert raw.unwrap_iov(self.gss, iov).encrypted
        return iov[1].value


SIGNATURES = {17: 28, 18: 28, 19: 32, 20: 40, 23: 37}


def calls(port, spec):
    mechanism, principal, level, flags = spec.split(",")
    c = Client(port, mechanism, principal, int(level), int(flags))
    one, = struct.unpack("<L", c.request(0, struct.pack("<L", 41)))
    data = bytes(i % 251 for i in range(9000))
    echoed = c.request(3, struct.pack("<L", len(data)))[4:]  # SourceData, of several fragments
    sunk = c.request(1, struct.pack("<LL", 3000, 3000) + data[:3000])[4:]
    assert len(echoed) == len(data) and sunk == data[:3000], (len(echoed), len(sunk))
    return "%d type %d" % (one, c.key_type())


for spec in sys.argv[2:]:
    try:
        result = calls(int(sys.argv[1]), spec)
    except Refused as e:
        result = str(e)
    except gssapi.exceptions.GSSError as e:
        result = "GSS-API: " + str(e).replace("\n", " ")
    print(spec, result, flush=True)
