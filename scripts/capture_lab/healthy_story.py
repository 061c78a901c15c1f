"""The story of exchange-healthy.pcap: clients, another organization and a mailbox move, and nothing goes wrong."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.exchange_story import EWS, FREE_BUSY_REQUEST, HTTPS, LOGIN, SOAP_ACTION, XML, Story, pox

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
SVC = "https://autodiscover.contoso.com/autodiscover/autodiscover.svc"
V2 = "https://autodiscover.contoso.com/autodiscover/autodiscover.json/v1.0/avery@contoso.com?Protocol=EWS"
MRS = "https://mail.contoso.com/EWS/mrsproxy.svc"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
FEDERATION_REQUEST = """\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:w="http://www.w3.org/2005/08/addressing">\
<s:Header><w:Action s:mustUnderstand="1">\
http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetFederationInformation</w:Action></s:Header>\
<s:Body><GetFederationInformationRequestMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover">\
<Request><Domain>contoso.com</Domain></Request></GetFederationInformationRequestMessage></s:Body></s:Envelope>
"""
MRS_REQUEST = """\
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">\
<s:Header><a:Action s:mustUnderstand="1">\
http://tempuri.org/IMailboxReplicationProxyService/ExchangeVersionInformation</a:Action>\
<a:MessageID>urn:uuid:6a1f0c52-33b1-4a8e-9a63-0c7f1c4a0b11</a:MessageID></s:Header>\
<s:Body><ExchangeVersionInformation xmlns="http://tempuri.org/"/></s:Body></s:Envelope>
"""


def timestamp() -> str:
    """A Timestamp of WS-Security that is valid now."""
    now = datetime.now(UTC)
    created, expires = (each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (now, now + timedelta(minutes=5)))
    return (
        f'<wsu:Timestamp xmlns:wsu="{WSU}"><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires>'
        "</wsu:Timestamp>"
    )


class HealthyStory(Story):
    """The clients; what the other story has too comes from there."""

    def exchangelib(self, *pieces: str) -> None:
        """Run exchangelib at the first client's address."""
        self.lab.client.run([sys.executable, HERE / "healthy_client.py", self.key.ca, *pieces])

    def outlook(self) -> None:
        """Autodiscover with and without a login on one connection, and version 2."""
        ask = [*pox("avery@contoso.com"), "--compressed"]
        self.rsa("AES128-SHA", ask, [*LOGIN, *ask], [V2])

    def other_organization(self) -> None:
        """Federation information, then free/busy with a token in the SOAP header."""
        agent = ["-A", "ASAutoDiscover/CrossForest/EmailDomain//15.01.2507.000"]
        self.rsa("AES256-SHA256", [*agent, *XML, "-d", FEDERATION_REQUEST, SVC])
        agent = ["-A", "ASProxy/CrossForest/EmailDomain//15.01.2507.000", "-H", f'SOAPAction: "{SOAP_ACTION}"']
        request = FREE_BUSY_REQUEST.replace("<xenc:EncryptedData", f"{timestamp()}<xenc:EncryptedData")
        self.rsa("AES256-GCM-SHA384", [*agent, *XML, "-d", request, f"{EWS}/WSSecurity"])

    def mailbox_move(self) -> None:
        """The MRS proxy: challenged once, then it answers."""
        soap = ["-H", "Content-Type: application/soap+xml; charset=utf-8", "-d", MRS_REQUEST]
        self.rsa("AES128-GCM-SHA256", [*soap, MRS], [*LOGIN, *soap, MRS])

    def chapters(self) -> tuple[Callable[[], None], ...]:
        """All of it, in this order."""
        return (
            lambda: self.exchangelib("autodiscover"),
            lambda: self.exchangelib("folders"),
            lambda: self.exchangelib("notifications", "away", "free-busy"),
            self.outlook,
            self.other_organization,
            self.mailbox_move,
        )


def record_healthy(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Record the story, one client after the other, into a pcap in `scratch`; its path, alone."""
    path = scratch / "exchange-healthy.pcap"
    story = HealthyStory(lab, key, scratch)
    server = [sys.executable, HERE / "healthy_server.py", key.certificates, key.private_key]
    with lab.serving(server, HTTPS), lab.recording(path):
        for chapter in story.chapters():
            chapter()
    return [path]
