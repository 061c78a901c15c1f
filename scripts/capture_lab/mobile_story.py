"""The story of mobile-healthy.pcap: a phone, a browser, an address book and Outlook over MAPI; nothing goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capture_lab.exchange_story import HTTPS, LOGIN, MAIL, Story
from capture_lab.mobile_answers import CONNECT_REQUEST, EXECUTE_REQUEST, PING_QUERY, PING_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture_lab.keys import ServerKey
    from capture_lab.network import Lab

HERE = Path(__file__).parent
ACTIVESYNC = f"{MAIL}/Microsoft-Server-ActiveSync"
MAILBOX = f"{MAIL}/mapi/emsmdb/?MailboxId=7d1a6f2e-0b7c-4c1e-9a52-3f2a1f5b8d10@contoso.com"


class MobileStory(Story):
    """The clients."""

    def phone(self) -> None:
        """Policy, folders, mails, a mail of its own, and a wait for changes."""
        self.lab.client.run([sys.executable, HERE / "mobile_client.py", self.key.ca])

    def other_phone(self) -> None:
        """What is offered, then a wait that ends without changes, asked for by a query in Base64."""
        wbxml = ["-H", "Content-Type: application/vnd.ms-sync.wbxml", "--data-binary", self._file("ping", PING_REQUEST)]
        ask = [*LOGIN, "-A", "Apple-iPhone/901.334"]
        self.rsa("AES128-SHA", [*ask, "-X", "OPTIONS", ACTIVESYNC], [*ask, *wbxml, f"{ACTIVESYNC}?{PING_QUERY}"])

    def browser(self) -> None:
        """The form, a sign-in, the inbox, and out again."""
        jar = ["-b", str(self.scratch / "jar"), "-c", str(self.scratch / "jar"), "-A", "Mozilla/5.0"]
        form = "destination=https%3A%2F%2Fmail.contoso.com%2Fowa%2F&flags=4&username=CONTOSO%5Cavery&password={}"
        post = ["-d", form.format("not-a-real-password")]
        self.rsa(
            "AES256-SHA",
            [*jar, f"{MAIL}/owa/"],
            [*jar, f"{MAIL}/owa/auth/logon.aspx?replaceCurrent=1"],
            [*jar, *post, f"{MAIL}/owa/auth.owa"],
            [*jar, f"{MAIL}/owa/"],
            [*jar, f"{MAIL}/owa/logoff.owa"],
        )

    def address_book(self) -> None:
        """The manifest and the file that it names, with the challenge that comes first."""
        ask = [f"{MAIL}/OAB/6f4dd1f4/oab.xml"]
        self.rsa("AES256-SHA256", ask, [*LOGIN, *ask], [*LOGIN, f"{MAIL}/OAB/6f4dd1f4/6f4dd1f4-data-42.lzx"])

    def outlook(self) -> None:
        """A session of MAPI over HTTP."""
        calls = {"Connect": CONNECT_REQUEST, "Execute": EXECUTE_REQUEST, "Disconnect": bytes(4)}
        self.rsa("AES128-GCM-SHA256", *(self._call(kind, body) for kind, body in calls.items()))

    def _call(self, kind: str, body: bytes) -> list[str]:
        cookie = [] if kind == "Connect" else ["-b", "MapiContext=not-a-real-context"]
        fields = ("Content-Type: application/mapi-http", f"X-RequestType: {kind}", "X-ClientApplication: Outlook/16.0")
        given = [part for each in fields for part in ("-H", each)]
        return [*LOGIN, *cookie, *given, "--data-binary", self._file(kind, body), MAILBOX]

    def _file(self, name: str, content: bytes) -> str:
        path = self.scratch / f"{name}.bin"
        path.write_bytes(content)
        return f"@{path}"

    def chapters(self) -> tuple[Callable[[], None], ...]:
        """All of it, in this order."""
        return self.phone, self.other_phone, self.browser, self.address_book, self.outlook


def record_mobile(lab: Lab, key: ServerKey, scratch: Path) -> list[Path]:
    """Record the story, one client after the other, into a pcap in `scratch`; its path, alone."""
    path = scratch / "mobile-healthy.pcap"
    story = MobileStory(lab, key, scratch)
    server = [sys.executable, HERE / "mobile_server.py", key.certificates, key.private_key]
    with lab.serving(server, HTTPS), lab.recording(path):
        for chapter in story.chapters():
            chapter()
    return [path]
