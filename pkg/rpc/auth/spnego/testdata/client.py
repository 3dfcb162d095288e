# SPDX-License-Identifier: Apache-2.0
# Samba's client, for peer_test.go: "service level" as arguments, then lines of
# base64 go both ways: the handshake, then what to do with fragments.
import sys
from base64 import b64decode, b64encode
from samba import credentials, gensec
from samba.param import LoadParm


def say(*parts):
    print(*[b64encode(p).decode() or "-" for p in parts], flush=True)


def hear():
    line = sys.stdin.readline().split()
    return line[:1] + [b"" if p == "-" else b64decode(p) for p in line[1:]]


service, level = int(sys.argv[1]), int(sys.argv[2])
lp = LoadParm()
lp.set("netbios name", "client")
creds = credentials.Credentials()
creds.guess(lp)
creds.set_username("User")
creds.set_password("Password")
creds.set_domain("DOM")
creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
client = gensec.Security.start_client({"target_hostname": "server.test", "lp_ctx": lp})
client.set_credentials(creds)
for f in [gensec.FEATURE_DCE_STYLE, gensec.FEATURE_SIGN_PKT_HEADER] + ([gensec.FEATURE_SIGN] if level > 2 else []) + ([gensec.FEATURE_SEAL] if level > 5 else []):
    client.want_feature(f)
client.start_mech_by_authtype(service, level)
done, token = client.update(b"")
while True:
    say(token)
    if done:
        break
    done, token = client.update(hear()[1])
    if done and not token:
        break
say(client.session_key())
while True:
    line = hear()
    if not line:
        break
    kind, (stub, pdu, value) = line[0], line[1:]
    if kind == "sign":
        say(client.sign_packet(stub, pdu))
    elif kind == "check":
        client.check_packet(stub, pdu, value)
        say(stub)
    elif kind == "seal":
        say(client.wrap(stub))
    else:
        say(client.unwrap(value + stub))
