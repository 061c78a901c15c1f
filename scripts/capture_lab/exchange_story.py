"""The story of exchange.pcapng: several clients at one Exchange front end, most of it open to the PFX, some not."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
HTTPS = 443
MAIL = "https://mail.contoso.com"
POX = "https://autodiscover.contoso.com/autodiscover/autodiscover.xml"
EWS = f"{MAIL}/EWS/Exchange.asmx"
LOGIN = ["-u", "CONTOSO\\blake:not-a-real-password"]
XML = ["-H", "Content-Type: text/xml; charset=utf-8"]
SOAP_ACTION = "http://schemas.microsoft.com/exchange/services/2006/messages/GetUserAvailability"
POX_REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    "<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/"
    "outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>"
)
FREE_BUSY_REQUEST = """\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" \
xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">
 <s:Header><t:RequestServerVersion Version="Exchange2010_SP2"/>
  <wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">
   <xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:CipherData>\
<xenc:CipherValue>c2FtcGxl</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></wsse:Security></s:Header>
 <s:Body><m:GetUserAvailabilityRequest><m:MailboxDataArray>
  <t:MailboxData><t:Email><t:Address>avery@contoso.com</t:Address></t:Email>\
<t:AttendeeType>Required</t:AttendeeType></t:MailboxData>
  <t:MailboxData><t:Email><t:Address>casey@contoso.com</t:Address></t:Email>\
<t:AttendeeType>Required</t:AttendeeType></t:MailboxData></m:MailboxDataArray>
  <t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>2024-05-13T00:00:00</t:StartTime>\
<t:EndTime>2024-05-14T00:00:00</t:EndTime></t:TimeWindow><t:RequestedView>FreeBusy</t:RequestedView>\
</t:FreeBusyViewOptions>
 </m:GetUserAvailabilityRequest></s:Body>
</s:Envelope>
"""


def pox(address: str) -> list[str]:
    """Arguments of curl for Autodiscover POX about `address`."""
    return [*XML, "-d", POX_REQUEST.format(address), POX]


@dataclass(frozen=True)
class Story:
    """The clients: each method is what one of them does."""

    lab: Lab
    key: ServerKey
    scratch: Path

    def curl(self, options: Sequence[str], *requests: Sequence[str], trust: bool = True) -> None:
        """Run curl at the second client's address, its requests on one connection where it can.

        A client that does not trust the CA fails on purpose.
        """
        common = ["-sS", "-A", "Microsoft Office/16.0 (Outlook 16.0.5149)", "--interface", "192.0.2.21", *options]
        common += ["--cacert", str(self.key.ca)] if trust else []
        command = ["curl"]
        for request in requests:
            command += [*(["--next"] if len(command) > 1 else []), *common, "-o", "/dev/null", *request]
        self.lab.client.run(command, check=trust)

    def rsa(self, cipher: str, *requests: Sequence[str]) -> None:
        """Run curl with TLS 1.2 and one RSA cipher suite (OpenSSL's name)."""
        self.curl(["--tls-max", "1.2", "--ciphers", cipher], *requests)

    def exchangelib(self, *pieces: str) -> None:
        """Run exchangelib at the first client's address."""
        self.lab.client.run([sys.executable, HERE / "exchangelib_client.py", self.key.ca, *pieces])

    def pox_with_challenge(self) -> None:
        """401 first, then Basic on the same connection; gzip."""
        ask = [*pox("avery@contoso.com"), "--compressed"]
        self.rsa("AES128-SHA", ask, [*LOGIN, *ask])

    def pox_redirect_and_error(self) -> None:
        """Two addresses that are not served here, one connection."""
        self.rsa("AES256-SHA256", *([*LOGIN, *pox(f"{name}@contoso.com")] for name in ("blake", "nobody")))

    def web_then_resumed(self) -> None:
        """Chunked with a trailer, 404, a page that ends with the connection, and a second one resumed by session id."""
        paths = ("/oab/6f4dd1f4/oab.xml", "/ews/nothing.asmx", "/owa/", "/oab/6f4dd1f4/oab.xml")
        self.rsa("AES256-SHA", *([f"{MAIL}{path}"] for path in paths))

    def free_busy_by_token(self) -> None:
        """What a federated server sends: WSSecurity, no login."""
        agent = ["-A", "ASProxy/CrossForest/EmailDomain//15.01.2507.000", "-H", f'SOAPAction: "{SOAP_ACTION}"']
        self.rsa("AES256-GCM-SHA384", [*agent, *XML, "-d", FREE_BUSY_REQUEST, f"{EWS}/WSSecurity"])

    def refused(self) -> None:
        """EWS without a login, over IPv6, and a HEAD."""
        url = "https://mail6.contoso.com/EWS/Exchange.asmx"
        self.lab.client.run(
            ["curl", "-sS", "--tls-max", "1.2", "--ciphers", "AES128-SHA256", "--cacert", self.key.ca, "-I", url, url]
        )

    def forward_secret(self) -> None:
        """Two connections that no PFX opens."""
        ask = [*LOGIN, *pox("avery@contoso.com")]
        self.rsa("ECDHE-RSA-AES128-GCM-SHA256", ask)
        self.curl(["--tlsv1.3"], ask)

    def plain_http(self) -> None:
        """Port 80, which sends the client to 443."""
        self.curl([], ["http://autodiscover.contoso.com/autodiscover/autodiscover.xml"])

    def distrust(self) -> None:
        """A client that does not know the CA: alert unknown_ca, no request."""
        self.curl(["--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256"], [POX], trust=False)

    def session_id(self) -> None:
        """Two connections, the second resumed by session id."""
        session = str(self.scratch / "session.pem")
        command = ["openssl", "s_client", "-connect", f"mail.contoso.com:{HTTPS}", "-servername", "mail.contoso.com"]
        command += ["-bind", "192.0.2.21:0", "-tls1_2", "-cipher", "AES128-GCM-SHA256", "-no_ticket", "-quiet"]
        request = b"GET /owa/ HTTP/1.1\r\nHost: mail.contoso.com\r\nUser-Agent: s_client\r\n\r\n"
        self.lab.client.run([*command, "-sess_out", session], stdin=request)
        self.lab.client.run([*command, "-sess_in", session], stdin=request)

    def chapters(self) -> tuple[Callable[[], None], ...]:
        """All of it, in the order of the start."""
        return (
            lambda: self.exchangelib("autodiscover"),
            lambda: self.exchangelib("folders", "busy"),
            lambda: self.exchangelib("send-as", "free-busy"),
            self.pox_with_challenge,
            self.pox_redirect_and_error,
            self.web_then_resumed,
            self.free_busy_by_token,
            self.refused,
            self.forward_secret,
            self.plain_http,
            self.distrust,
            self.session_id,
        )


def exchange_server(key: ServerKey) -> list[str | Path]:
    """The command line of the stub front end."""
    return [sys.executable, HERE / "exchange_server.py", key.certificates, key.private_key]


def record_exchange(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Record the story, seven clients at a time, into a pcap in `scratch`; its path, alone."""
    path = scratch / "exchange.pcap"
    story = Story(lab, key, scratch)
    with lab.serving(exchange_server(key), HTTPS), lab.recording(path), ThreadPoolExecutor(max_workers=7) as clients:
        for done in [clients.submit(chapter) for chapter in story.chapters()]:
            done.result()
    return [path]
