# SPDX-License-Identifier: Apache-2.0
# A client of rpcecho and of the endpoint mapper that authenticates with impacket:
# impacket_client.py SPEC..., where a SPEC is MECHANISM,USER,PASSWORD,DOMAIN,LEVEL,BINDING
# and BINDING one of rpcecho or the mapper. It writes a line for each: what AddOne of
# 41 answers and how many bytes EchoData returns, how many entries the mapper has, or
# what is refused.
import sys

from impacket.dcerpc.v5 import epm, transport
from impacket.dcerpc.v5.dtypes import ULONG
from impacket.dcerpc.v5.ndr import NDRCALL, NDRUniConformantArray
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_GSS_NEGOTIATE
from impacket.uuid import uuidtup_to_bin

ECHO = uuidtup_to_bin(("60a15ec5-4de8-11d7-a637-005056a20182", "1.0"))


class Bytes(NDRUniConformantArray):
    item = "c"


class AddOne(NDRCALL):
    opnum = 0
    structure = (("In", ULONG),)


class AddOneResponse(NDRCALL):
    structure = (("Out", ULONG),)


class EchoData(NDRCALL):
    opnum = 1
    structure = (("Len", ULONG), ("In", Bytes))


class EchoDataResponse(NDRCALL):
    structure = (("Out", Bytes),)


def calls(spec):
    mechanism, user, password, domain, level, binding = spec.split(",")
    t = transport.DCERPCTransportFactory(binding)
    t.set_credentials(user, password, domain)
    if mechanism == "krb5":
        t.set_kerberos(True, "127.0.0.1")
        t.setRemoteHost("127.0.0.1")
    dce = t.get_dce_rpc()
    if mechanism == "krb5":
        dce.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE)
    dce.set_auth_level(int(level))
    dce.connect()
    if "[135]" in binding or "epmapper" in binding:
        return "%d entries" % len(epm.hept_lookup(None, dce=dce))
    dce.bind(ECHO)
    one = AddOne()
    one["In"] = 41
    answer = dce.request(one, checkError=False)["Out"]
    echo = EchoData()
    echo["Len"], echo["In"] = 9000, b"x" * 9000
    return "%d %d" % (answer, len(dce.request(echo, checkError=False)["Out"]))


for spec in sys.argv[1:]:
    try:
        result = calls(spec)
    except Exception as e:
        result = "refused: " + str(e).replace("\n", " ")
    print(spec, result, flush=True)
