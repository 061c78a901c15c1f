"""Messages of WS-Trust, written after the standards and MS documents; names and tokens are invented."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "Tr0ub4dor-marker!"
XML = "Content-Type: application/soap+xml; charset=utf-8"
TRUST_2005 = "http://schemas.xmlsoap.org/ws/2005/02/trust"
TRUST_13 = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
_SECEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_START = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"'
    f' xmlns:u="{_UTILITY}" xmlns:o="{_SECEXT}">'
)


def token_request(
    user: str = "avery@contoso.com",
    *,
    trust: str = TRUST_2005,
    applies_to: str = "urn:federation:MicrosoftOnline",
    created: str = "2026-01-01T00:00:00Z",
) -> str:
    """RequestSecurityToken with user name and password."""
    return f"""{_START}<s:Header><a:Action>{trust}/RST/Issue</a:Action><a:To>https://sts.contoso.com/</a:To><o:Security>
<u:Timestamp><u:Created>{created}</u:Created><u:Expires>2026-01-01T00:05:00Z</u:Expires></u:Timestamp>
<o:UsernameToken><o:Username>{user}</o:Username><o:Password>{SECRET}</o:Password></o:UsernameToken></o:Security></s:Header>
<s:Body><t:RequestSecurityToken xmlns:t="{trust}"><t:RequestType>{trust}/Issue</t:RequestType>
<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><a:EndpointReference><a:Address>{applies_to}
</a:Address></a:EndpointReference></wsp:AppliesTo><t:KeyType>http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey
</t:KeyType></t:RequestSecurityToken></s:Body></s:Envelope>"""


def assertion() -> str:
    """A SAML 1.1 assertion as AD FS issues it."""
    return f"""<saml:Assertion MajorVersion="1" MinorVersion="1" AssertionID="_1"
 Issuer="http://sts.contoso.com/adfs/services/trust" IssueInstant="2026-01-01T00:00:01Z"
 xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion">
<saml:Conditions NotBefore="2026-01-01T00:00:00Z" NotOnOrAfter="2026-01-01T01:00:00Z">
<saml:AudienceRestrictionCondition><saml:Audience>urn:federation:MicrosoftOnline</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>
<saml:AttributeStatement><saml:Subject>
<saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">
{SECRET}</saml:NameIdentifier></saml:Subject><saml:Attribute AttributeName="UPN"
 AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>{SECRET}</saml:AttributeValue>
</saml:Attribute>
<saml:Attribute AttributeName="ImmutableID"><saml:AttributeValue>{SECRET}</saml:AttributeValue></saml:Attribute>
</saml:AttributeStatement><saml:AuthenticationStatement AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password"/>
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:SignatureMethod
 Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/></ds:SignedInfo><ds:SignatureValue>{SECRET}</ds:SignatureValue>
</ds:Signature></saml:Assertion>"""


def issued(trust: str = TRUST_2005) -> str:
    """RequestSecurityTokenResponse, without an envelope."""
    return f"""<t:RequestSecurityTokenResponse xmlns:t="{trust}"><t:Lifetime>
<u:Created xmlns:u="{_UTILITY}">2026-01-01T00:00:00Z
</u:Created><u:Expires xmlns:u="{_UTILITY}">2026-01-01T01:00:00Z</u:Expires></t:Lifetime>
<t:RequestedSecurityToken>{assertion()}</t:RequestedSecurityToken><t:TokenType>urn:oasis:names:tc:SAML:1.0:assertion</t:TokenType>
</t:RequestSecurityTokenResponse>"""


def token_response(trust: str = TRUST_2005) -> str:
    """The answer to `token_request`; WS-Trust 1.3 sends a collection."""
    body = issued(trust)
    if trust == TRUST_13:
        collection = "t:RequestSecurityTokenResponseCollection"
        body = f'<{collection} xmlns:t="{trust}">{body}</{collection}>'
    return f"{_START}<s:Header><a:Action>{trust}/RSTR/Issue</a:Action></s:Header><s:Body>{body}</s:Body></s:Envelope>"


def fault(
    subcode: str = "FailedAuthentication",
    reason: str = "ID3242: The security token could not be authenticated or authorized.",
    *,
    namespace: str = TRUST_2005,
    inner: str = "",
    detail: str = "",
) -> str:
    """A fault of an STS, with a second subcode where `inner` names one."""
    nested = f'<s:Subcode><s:Value xmlns:c="urn:c">c:{inner}</s:Value></s:Subcode>' if inner else ""
    return f"""{_START}<s:Header><a:Action>http://www.w3.org/2005/08/addressing/soap/fault</a:Action></s:Header><s:Body>
<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:b="{namespace}">b:{subcode}</s:Value>{nested}
</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason>{detail}</s:Fault>
</s:Body></s:Envelope>"""


def microsoft_detail(value: str, code: str, text: str) -> str:
    """psf:error of Microsoft's own STS."""
    return (
        '<s:Detail><psf:error xmlns:psf="http://schemas.microsoft.com/Passport/SoapServices/SOAPFault">'
        f"<psf:value>{value}</psf:value><psf:internalerror><psf:code>{code}</psf:code><psf:text>{text}</psf:text>"
        "</psf:internalerror></psf:error></s:Detail>"
    )


MEX = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><m:Metadata
 xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/mex"><m:MetadataSection><wsdl:definitions
 xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/">
<wsdl:service name="STS"><wsdl:port name="p">
<soap12:address location="https://sts.contoso.com/adfs/services/trust/13/usernamemixed"/></wsdl:port>
</wsdl:service></wsdl:definitions></m:MetadataSection></m:Metadata></s:Body></s:Envelope>"""


def certificate(until: datetime, name: str = "ADFS Signing - sts.contoso.com") -> bytes:
    """A self-signed certificate (DER) that is valid for a year until then."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(until - timedelta(days=365)).not_valid_after(until)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def federation_metadata(*signing: bytes, encryption: bytes | None = None) -> str:
    """FederationMetadata.xml with these certificates."""
    uses = [("signing", each) for each in signing] + ([("encryption", encryption)] if encryption else [])
    keys = "".join(
        f'<KeyDescriptor use="{use}"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>'
        f"{base64.b64encode(der).decode()}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
        for use, der in uses
    )
    return f"""<EntityDescriptor ID="_1" entityID="http://sts.contoso.com/adfs/services/trust"
 xmlns="urn:oasis:names:tc:SAML:2.0:metadata"><RoleDescriptor xsi:type="fed:SecurityTokenServiceType"
 protocolSupportEnumeration="http://docs.oasis-open.org/wsfed/federation/200706"
 xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{keys}
</RoleDescriptor><IDPSSODescriptor><SingleSignOnService Location="https://sts.contoso.com/adfs/ls/"/></IDPSSODescriptor>
</EntityDescriptor>"""


SOON = datetime(2026, 1, 11, tzinfo=UTC)
