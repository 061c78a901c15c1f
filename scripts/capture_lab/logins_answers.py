"""What AD FS, an OAuth server and PowerShell remoting answer on a good day, after their standards."""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TRUST = "http://schemas.xmlsoap.org/ws/2005/02/trust"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
APPLICATION = "00000002-0000-0ff1-ce00-000000000000"
SHELL_ID = "2D6534D0-6B12-40E3-B773-CBA26459CFA8"
SESSION_CAPABILITY, POOL_STATE, PRIVATE_DATA = 0x00010002, 0x00021005, 0x00021009
PIPELINE_OUTPUT, PIPELINE_STATE = 0x00041004, 0x00041006

_ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"'
    f' xmlns:rsp="{SHELL}" xmlns:x="{TRANSFER}"><s:Header><a:Action>{{action}}</a:Action>'
    "<a:MessageID>uuid:{message_id}</a:MessageID><a:RelatesTo>{relates_to}</a:RelatesTo></s:Header>"
    "<s:Body>{body}</s:Body></s:Envelope>"
)
_CAPABILITY = (
    '<Obj RefId="0"><MS><Version N="protocolversion">2.2</Version><Version N="PSVersion">2.0</Version>'
    '<Version N="SerializationVersion">1.1.0.1</Version></MS></Obj>'
)
_PRIVATE_DATA = (
    '<Obj RefId="0"><MS><Obj N="ApplicationPrivateData" RefId="1"><TN RefId="0">'
    "<T>System.Management.Automation.PSPrimitiveDictionary</T><T>System.Collections.Hashtable</T>"
    "<T>System.Object</T></TN><DCT/></Obj></MS></Obj>"
)
_STATE = '<Obj RefId="0"><MS><I32 N="{}">{}</I32></MS></Obj>'


def iso(after: timedelta = timedelta()) -> str:
    """A time from now."""
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")


def jwt() -> str:
    """An access token for the mailbox server that is good for an hour; nothing could verify it."""
    now = int(time.time())
    claims = {
        "aud": f"{APPLICATION}/mail.contoso.com@contoso.com", "iss": "https://sts.example/contoso/", "nbf": now - 60,
        "exp": now + 3600, "appid": "d3590ed6-52b3-4102-aeff-aad2292ab01c", "upn": "avery@contoso.com",
    }  # fmt: skip
    parts = ({"typ": "JWT", "alg": "RS256", "x5t": "made-up"}, claims)
    coded = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
    return f"{'.'.join(coded)}.bm90LWEtc2lnbmF0dXJl"


def token_response() -> str:
    """RequestSecurityTokenResponse of WS-Trust 2005/02, with a SAML 1.1 assertion."""
    start, end = iso(timedelta(seconds=-1)), iso(timedelta(hours=1))
    utility = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    assertion = (
        '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="1"'
        f' AssertionID="_{uuid.uuid4()}" Issuer="http://sts.contoso.com/adfs/services/trust" IssueInstant="{start}">'
        f'<saml:Conditions NotBefore="{start}" NotOnOrAfter="{end}"><saml:AudienceRestrictionCondition>'
        "<saml:Audience>urn:federation:MicrosoftOnline</saml:Audience></saml:AudienceRestrictionCondition>"
        '</saml:Conditions><saml:AttributeStatement><saml:Attribute AttributeName="UPN"'
        ' AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>avery@contoso.com'
        "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"
    )
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">'
        f"<s:Header><a:Action>{TRUST}/RSTR/Issue</a:Action></s:Header><s:Body>"
        f'<t:RequestSecurityTokenResponse xmlns:t="{TRUST}"><t:Lifetime xmlns:u="{utility}"><u:Created>{start}'
        f"</u:Created><u:Expires>{end}</u:Expires></t:Lifetime><t:RequestedSecurityToken>{assertion}"
        "</t:RequestedSecurityToken><t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>"
        "</t:RequestSecurityTokenResponse></s:Body></s:Envelope>"
    )


def metadata_exchange() -> str:
    """What /adfs/services/trust/mex answers, in short."""
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        '<m:Metadata xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/mex"><m:MetadataSection>'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"'
        ' xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"><wsdl:service name="SecurityTokenService">'
        '<wsdl:port name="UserNameMixed"><soap12:address'
        ' location="https://mail.contoso.com/adfs/services/trust/2005/usernamemixed"/></wsdl:port></wsdl:service>'
        "</wsdl:definitions></m:MetadataSection></m:Metadata></s:Body></s:Envelope>"
    )


def federation_metadata() -> str:
    """FederationMetadata.xml, with a certificate for signing that lasts a year."""
    name = x509.Name.from_rfc4514_string("CN=ADFS Signing - sts.contoso.com")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=365))
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return (
        '<EntityDescriptor entityID="http://sts.contoso.com/adfs/services/trust"'
        ' xmlns="urn:oasis:names:tc:SAML:2.0:metadata"><IDPSSODescriptor'
        ' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">'
        '<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>'
        f"{base64.b64encode(der).decode()}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService"
        ' Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sts.contoso.com/adfs/ls/"/>'
        "</IDPSSODescriptor></EntityDescriptor>"
    )


def _wsman(action: str, body: str, relates_to: str) -> str:
    return _ENVELOPE.format(action=action, body=body, message_id=uuid.uuid4(), relates_to=relates_to)


def shell_created(relates_to: str) -> str:
    """The answer to Create."""
    body = (
        "<x:ResourceCreated><a:Address>https://mail.contoso.com/powershell</a:Address><a:ReferenceParameters>"
        "<w:ResourceURI>http://schemas.microsoft.com/powershell/Microsoft.Exchange</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{SHELL_ID}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
        "</x:ResourceCreated>"
    )
    return _wsman(f"{TRANSFER}/CreateResponse", body, relates_to)


def command_begun(command_id: str, relates_to: str) -> str:
    """The answer to Command."""
    body = f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"
    return _wsman(f"{SHELL}/CommandResponse", body, relates_to)


def plain_answer(name: str, relates_to: str) -> str:
    """The answer to Signal and Delete."""
    action = f"{TRANSFER}/DeleteResponse" if name == "Delete" else f"{SHELL}/{name}Response"
    return _wsman(action, f"<rsp:{name}Response/>" if name != "Delete" else "", relates_to)


def _fragment(number: int, kind: int, clixml: str, pipeline: str | None) -> bytes:
    """One message in one fragment, MS-PSRP sections 2.2.1 and 2.2.4."""
    ids = uuid.UUID(SHELL_ID).bytes_le + (uuid.UUID(pipeline) if pipeline else uuid.UUID(int=0)).bytes_le
    message = struct.pack("<II", 1, kind) + ids + b"\xef\xbb\xbf" + clixml.encode()
    return struct.pack(">QQBI", number, 0, 3, len(message)) + message


def received(fragments: list[bytes], relates_to: str, command_id: str | None = None) -> str:
    """The answer to Receive; with a command, that it is done."""
    named = f' CommandId="{command_id}"' if command_id else ""
    body = "".join(
        f'<rsp:Stream Name="stdout"{named}>{base64.b64encode(each).decode()}</rsp:Stream>' for each in fragments
    )
    if command_id:
        body += f'<rsp:CommandState{named} State="{SHELL}/CommandState/Done"/>'
    return _wsman(f"{SHELL}/ReceiveResponse", f"<rsp:ReceiveResponse>{body}</rsp:ReceiveResponse>", relates_to)


def pool_opened() -> list[bytes]:
    """What the server says when a runspace pool opens."""
    said = (
        (SESSION_CAPABILITY, _CAPABILITY),
        (PRIVATE_DATA, _PRIVATE_DATA),
        (POOL_STATE, _STATE.format("RunspaceState", 2)),
    )
    return [_fragment(number, kind, clixml, None) for number, (kind, clixml) in enumerate(said, 1)]


def pipeline_completed(command_id: str) -> list[bytes]:
    """One object of output, and the end."""
    said = ((PIPELINE_OUTPUT, "<S>avery@contoso.com</S>"), (PIPELINE_STATE, _STATE.format("PipelineState", 4)))
    return [_fragment(number, kind, clixml, command_id) for number, (kind, clixml) in enumerate(said, 10)]
