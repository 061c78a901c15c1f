"""The story of logins-healthy.pcap: people and programs log in by every scheme, AD FS and OAuth give tokens."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.exchange_story import EWS, HTTPS, MAIL, XML, Story
from capture_lab.logins_answers import TRUST, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
LOGIN = ["-u", "CONTOSO\\avery:not-a-real-password"]
GET_FOLDER = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body><m:GetFolder><m:FolderShape>'
    '<t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/>'
    "</m:FolderIds></m:GetFolder></s:Body></s:Envelope>"
)
_SECEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"


def token_request() -> str:
    """RequestSecurityToken with user name and password, as a rich client sends it."""
    now = datetime.now(UTC)
    created, expires = (each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (now, now + timedelta(minutes=5)))
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"'
        f' xmlns:u="{_UTILITY}"><s:Header><a:Action s:mustUnderstand="1">{TRUST}/RST/Issue</a:Action>'
        f'<o:Security s:mustUnderstand="1" xmlns:o="{_SECEXT}"><u:Timestamp><u:Created>{created}</u:Created>'
        f"<u:Expires>{expires}</u:Expires></u:Timestamp><o:UsernameToken><o:Username>avery@contoso.com</o:Username>"
        "<o:Password>not-a-real-password</o:Password></o:UsernameToken></o:Security></s:Header><s:Body>"
        f'<t:RequestSecurityToken xmlns:t="{TRUST}"><t:RequestType>{TRUST}/Issue</t:RequestType>'
        '<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><a:EndpointReference><a:Address>'
        "urn:federation:MicrosoftOnline</a:Address></a:EndpointReference></wsp:AppliesTo></t:RequestSecurityToken>"
        "</s:Body></s:Envelope>"
    )


class LoginStory(Story):
    """The clients."""

    def programs(self, *pieces: str) -> None:
        """requests-ntlm or pypsrp at the first client's address."""
        self.lab.client.run([sys.executable, HERE / "logins_client.py", self.key.ca, *pieces])

    def by_curl(self) -> None:
        """NTLM twice on one connection, and Basic."""
        ask = [*XML, "-d", GET_FOLDER, EWS]
        self.rsa("AES128-SHA", ["--ntlm", *LOGIN, *ask], ["--ntlm", *LOGIN, *ask])
        self.rsa("AES128-SHA256", ["--basic", *LOGIN, *ask])

    def modern(self) -> None:
        """Ask how to log in, fetch a token, use it."""
        ask = [*XML, "-d", GET_FOLDER, EWS]
        form = "grant_type=password&client_id=d3590ed6&username=avery%40contoso.com&password=not-a-real-password"
        self.rsa(
            "AES256-GCM-SHA384",
            ["-H", "Authorization: Bearer", *ask],
            ["-d", form, f"{MAIL}/contoso.com/oauth2/token"],
            ["-H", f"Authorization: Bearer {jwt()}", *ask],
        )

    def federation(self) -> None:
        """AD FS: metadata, a token for a rich client, the page for a browser."""
        soap = ["-H", "Content-Type: application/soap+xml; charset=utf-8"]
        self.rsa(
            "AES128-GCM-SHA256",
            [f"{MAIL}/adfs/services/trust/mex"],
            [f"{MAIL}/FederationMetadata/2007-06/FederationMetadata.xml"],
            [*soap, "-d", token_request(), f"{MAIL}/adfs/services/trust/2005/usernamemixed"],
            [f"{MAIL}/adfs/ls/?wa=wsignin1.0&wtrealm=urn%3Afederation%3AMicrosoftOnline&wctx=LoginOptions%3D3"],
        )

    def chapters(self) -> tuple[Callable[[], None], ...]:
        """All of it, in this order."""
        return (
            self.by_curl,
            lambda: self.programs("ews"),
            lambda: self.programs("powershell"),
            self.modern,
            self.federation,
        )


def record_logins(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Record the story, one client after the other, into a pcap in `scratch`; its path, alone."""
    path = scratch / "logins-healthy.pcap"
    story = LoginStory(lab, key, scratch)
    server = [sys.executable, HERE / "logins_server.py", key.certificates, key.private_key]
    with lab.serving(server, HTTPS), lab.recording(path):
        for chapter in story.chapters():
            chapter()
    return [path]
