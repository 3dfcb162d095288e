# SPDX-License-Identifier: Apache-2.0
"""Runs samba.tests.dcerpc.raw_protocol and says what each test needs besides the
protocol: "needs: TEST WHAT", a line each."""
import runpy
import sys

from samba.tests.dcerpc import raw_testcase

current = None
case = raw_testcase.RawDCERPCTest


def noted(name, what):
    wrapped = getattr(case, name)

    def note(self, *args, **kwargs):
        global current
        if name == "setUp":
            current = self.id()
        found = what(*args, **kwargs)
        if found:
            print("\nneeds: %s %s" % (current, found), flush=True)
        return wrapped(self, *args, **kwargs)
    setattr(case, name, note)


noted("setUp", lambda: None)
noted("generate_auth", lambda auth_type=None, **_: auth_type and {9: "spnego", 10: "ntlm", 16: "kerberos"}.get(auth_type))
noted("get_auth_context_creds", lambda *_, auth_type=None, **__: "kerberos" if auth_type == 16 else "ntlm")
noted("reconnect_smb_pipe", lambda *_, **__: "pipe")
noted("epmap_reconnect", lambda abstract, **_: "interface-%s" % abstract.uuid)

sys.argv = ["raw_protocol"] + (sys.argv[1:] or ["samba.tests.dcerpc.raw_protocol"])
runpy.run_module("samba.subunit.run", run_name="__main__")
