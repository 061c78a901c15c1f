"""What pypsrp sends when it opens a runspace and runs commands, and answers of a server in the form of MS-WSMV."""

from __future__ import annotations

import base64
import struct
import uuid
from typing import Any

from pypsrp.complex_objects import RunspacePoolState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

SECRET = "Tr0ub4dor-marker!"
FQ_ID = "[Server=EX01,RequestId=5f,TimeStamp=1/1/2026] 4D6E7E1C,Microsoft.Exchange.Management.UpdateHybridConfiguration"
MESSAGE = '"*.contoso.com" isn\'t a valid SMTP domain.'

_ENVELOPE = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
 xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd">
<s:Header><a:Action>{action}</a:Action></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


class Sent(Exception):  # noqa: N818 - it is no error: the stub has what it wanted
    """A message that pypsrp wanted to send."""

    def __init__(self, message: bytes) -> None:
        super().__init__()
        self.message = message


class _Transport:
    """Stands where HTTP does."""

    endpoint = "https://mail.contoso.com/powershell"

    def send(self, message: bytes, **_options: Any) -> bytes:
        raise Sent(message)


def _sent_by(action: Any) -> bytes:
    try:
        action()
    except Sent as sent:
        return sent.message
    raise AssertionError("nothing was sent")


def _pool() -> RunspacePool:
    wsman = WSMan("mail.contoso.com", ssl=True, auth="basic", username="avery", password=SECRET)
    wsman.transport = _Transport()  # type: ignore[assignment]  # all that is needed of it
    return RunspacePool(wsman, configuration_name="Microsoft.Exchange")


def create_request() -> bytes:
    """The envelope that opens a runspace."""
    return _sent_by(_pool().open)


def command_request() -> bytes:
    """The envelope that begins a pipeline with a password among its parameters."""
    pool = _pool()
    pool.state, pool.protocol_version, pool.ps_version = RunspacePoolState.OPENED, "2.1", "2.0"
    shell = PowerShell(pool)
    shell.add_cmdlet("Set-HybridMailflow").add_parameter("Identity", "avery").add_parameter("Password", SECRET)
    shell.add_statement()
    shell.add_script(f"$x = '{SECRET}'")
    return _sent_by(shell.begin_invoke)


ERROR_RECORD = f"""<Obj RefId="0"><TN RefId="0"><T>System.Management.Automation.ErrorRecord</T><T>System.Object</T></TN>
<ToString>{MESSAGE}</ToString><MS><Obj N="Exception" RefId="1"><TN RefId="1">
<T>System.Management.Automation.RemoteException</T><T>System.Exception</T></TN><ToString>{MESSAGE}</ToString>
<Props><Nil N="ErrorRecord" /><S N="Message">{MESSAGE}</S><Nil N="InnerException" /></Props></Obj>
<Nil N="TargetObject" /><S N="FullyQualifiedErrorId">{FQ_ID}</S><Nil N="InvocationInfo" />
<I32 N="ErrorCategory_Category">5</I32><S N="ErrorCategory_Reason">Exception</S>
<S N="ErrorCategory_Message">InvalidArgument: (:) [], Exception</S><B N="SerializeExtendedInfo">false</B></MS></Obj>"""
PIPELINE_STATE = '<Obj RefId="0"><MS><I32 N="PipelineState">{state}</I32></MS></Obj>'


def fragments_of(object_id: int, kind: int, clixml: str, size: int = 32_768) -> list[bytes]:
    """A message as fragments, MS-PSRP sections 2.2.1 and 2.2.4."""
    message = struct.pack("<II", 1, kind) + uuid.UUID(int=1).bytes_le + uuid.UUID(int=2).bytes_le + clixml.encode()
    cuts = range(0, len(message), size)
    return [
        struct.pack(
            ">QQBI", object_id, number, (at == 0) | (at + size >= len(message)) << 1, len(message[at : at + size])
        )
        + message[at : at + size]
        for number, at in enumerate(cuts)
    ]


def receive_response(*, size: int = 32_768) -> bytes:
    """An answer with an error record and the end of the pipeline, in fragments of `size` bytes."""
    fragments = fragments_of(3, 0x00041005, ERROR_RECORD, size)
    fragments += fragments_of(4, 0x00041006, PIPELINE_STATE.format(state=4), size)
    streams = "".join(
        f'<rsp:Stream Name="stdout" CommandId="{uuid.UUID(int=2)}">{base64.b64encode(each).decode()}</rsp:Stream>'
        for each in fragments
    )
    body = f"<rsp:ReceiveResponse>{streams}</rsp:ReceiveResponse>"
    return _ENVELOPE.format(action=f"{_SHELL}/ReceiveResponse", body=body).encode()


def fault_response(code: int = 5, message: str = "Access is denied.", extra: str = "") -> bytes:
    """A fault, MS-WSMV section 2.2.4.43."""
    fault = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:AccessDenied</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{message}</s:Text></s:Reason><s:Detail>'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{code}" Machine="ex01.contoso.com"><f:Message>{message}</f:Message></f:WSManFault>'
        f"{extra}</s:Detail></s:Fault>"
    )
    return _ENVELOPE.format(action="http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", body=fault).encode()
