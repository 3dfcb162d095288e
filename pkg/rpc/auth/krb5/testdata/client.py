# SPDX-License-Identifier: Apache-2.0
# A client of MIT Kerberos in DCE style, for peer_test.go. Lines of base64 go both
# ways: the handshake, then fragments as "kind header stub trailer value".
import sys
from base64 import b64decode, b64encode
import gssapi
from gssapi import raw
from gssapi.raw import IOV, IOVBuffer, IOVBufferType as T

F = gssapi.RequirementFlag
FLAGS = F.dce_style | F.mutual_authentication | F.replay_detection | F.out_of_sequence_detection | F.confidentiality | F.integrity


def say(*parts):
    print(*[b64encode(p).decode() or "-" for p in parts], flush=True)


def hear():
    line = sys.stdin.readline().split()
    return line[:1] + [b"" if p == "-" else b64decode(p) for p in line[1:]]


def part(kind, value, sign):
    return IOVBuffer(T.sign_only if sign else T.empty, False, value if sign else b"") if kind == "around" else IOVBuffer(kind, value is None, value)


def iov(header, stub, trailer, value, sign):
    return IOV(part("around", header, sign), part(T.data, stub, True), part("around", trailer, sign), part(T.header, value, True), std_layout=False)


mech = gssapi.OID.from_int_seq(sys.argv[1])
name = gssapi.Name("host/server.test@TEST", gssapi.NameType.kerberos_principal)
ctx = gssapi.SecurityContext(name=name, usage="initiate", mech=mech, flags=FLAGS)
token = ctx.step()
while True:
    say(token or b"")
    if ctx.complete:
        break
    token = ctx.step(hear()[1])
    if ctx.complete and not token:
        break
while True:
    line = hear()
    if not line:
        break
    kind, (header, stub, trailer, value) = line[0], line[1:]
    sign = kind.endswith("+")
    message = header + stub + trailer if sign else stub
    if kind.startswith("sign"):
        say(ctx.get_signature(message))
    elif kind.startswith("check"):
        ctx.verify_signature(message, value)
        say(stub)
    elif kind.startswith("seal"):
        v = iov(header, stub, trailer, None, sign)
        raw.wrap_iov(ctx, v, confidential=True)
        say(v[1].value, v[3].value)
    else:
        v = iov(header, stub, trailer, value, sign)
        assert raw.unwrap_iov(ctx, v).encrypted
        say(v[1].value)
