# SPDX-License-Identifier: Apache-2.0
# Prints one document through the spoolss pipe: printjob.py USER PASSWORD PRINTER
import sys
from impacket.dcerpc.v5 import rprn, transport
from impacket.dcerpc.v5.dtypes import DWORD, LPWSTR, ULONG
from impacket.dcerpc.v5.ndr import NDRCALL, NDRPOINTER, NDRSTRUCT, NDRUNION, NDRUniConformantArray


class DocInfo(NDRSTRUCT):
    structure = (('pDocName', LPWSTR), ('pOutputFile', LPWSTR), ('pDatatype', LPWSTR))


class DocInfoPointer(NDRPOINTER):
    referent = (('Data', DocInfo),)


class DocInfoUnion(NDRUNION):
    commonHdr = (('tag', ULONG),)
    union = {1: ('pDocInfo1', DocInfoPointer)}


class Container(NDRSTRUCT):
    structure = (('Level', DWORD), ('DocInfo', DocInfoUnion))


class Bytes(NDRUniConformantArray):
    item = 'c'


class StartDoc(NDRCALL):
    opnum = 17
    structure = (('hPrinter', rprn.PRINTER_HANDLE), ('pDocInfoContainer', Container))


class StartDocResponse(NDRCALL):
    structure = (('pJobId', DWORD), ('ErrorCode', ULONG))


class Write(NDRCALL):
    opnum = 19
    structure = (('hPrinter', rprn.PRINTER_HANDLE), ('pBuf', Bytes), ('cbBuf', DWORD))


class WriteResponse(NDRCALL):
    structure = (('pcWritten', DWORD), ('ErrorCode', ULONG))


class EndDoc(NDRCALL):
    opnum = 23
    structure = (('hPrinter', rprn.PRINTER_HANDLE),)


class EndDocResponse(NDRCALL):
    structure = (('ErrorCode', ULONG),)


user, password, printer = sys.argv[1:]
dce = transport.SMBTransport('127.0.0.1', 445, r'\spoolss', user, password).get_dce_rpc()
dce.connect()
dce.bind(rprn.MSRPC_UUID_RPRN)
handle = rprn.hRpcOpenPrinter(dce, '\\\\127.0.0.1\\' + printer + '\0', accessRequired=8)['pHandle']

start = StartDoc()
start['hPrinter'] = handle
start['pDocInfoContainer']['Level'] = 1
start['pDocInfoContainer']['DocInfo']['tag'] = 1
info = start['pDocInfoContainer']['DocInfo']['pDocInfo1']
info['pDocName'], info['pOutputFile'], info['pDatatype'] = 'document\0', '\0', 'RAW\0'
dce.request(start)
write = Write()
write['hPrinter'], write['pBuf'], write['cbBuf'] = handle, b'A' * 20000, 20000
dce.request(write)
end = EndDoc()
end['hPrinter'] = handle
dce.request(end)
