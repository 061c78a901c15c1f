"""exchangelib against the stub front end, with RSA key exchange only. Usage: exchangelib_client.py CA WHAT...

Each WHAT is one piece of the story: autodiscover, folders, busy, send-as, free-busy.
"""

from __future__ import annotations

import ssl
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exchangelib import (
    DELEGATE,
    UTC,
    Account,
    Build,
    Configuration,
    Credentials,
    EWSDateTime,
    FaultTolerance,
    Mailbox,
    Message,
    Version,
)
from exchangelib.autodiscover.discovery import Autodiscovery
from exchangelib.errors import ErrorNoFreeBusyAccess, ErrorSendAsDenied
from exchangelib.protocol import BaseProtocol
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "avery@contoso.com"
LOGIN = Credentials("CONTOSO\\avery", "not-a-real-password")
RETRY_SECONDS = 5


class RsaOnly(HTTPAdapter):
    """TLS as an old client speaks it: at most 1.2, no forward secrecy."""

    ca = ""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Hand the pool a context of that kind."""
        context = ssl.create_default_context(cafile=self.ca)
        context.set_ciphers("kRSA:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        super().init_poolmanager(*args, ssl_context=context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Verification is the context's business."""


def account() -> Account:
    """A mailbox whose server is known, so that nothing is guessed on the wire."""
    configuration = Configuration(
        service_endpoint="https://mail.contoso.com/EWS/Exchange.asmx",
        credentials=LOGIN,
        auth_type="basic",
        version=Version(build=Build(15, 1, 2507, 6)),
        retry_policy=FaultTolerance(max_wait=RETRY_SECONDS),
    )
    return Account(ADDRESS, config=configuration, autodiscover=False, access_type=DELEGATE)


def autodiscover() -> None:
    """Find the mailbox: contoso.com is not in the DNS, autodiscover.contoso.com is."""
    Autodiscovery(email=ADDRESS, credentials=LOGIN).discover()


def folders() -> None:
    """Open the inbox and list it."""
    list(account().inbox.all().only("subject"))


def busy() -> None:
    """List the calendar: throttled first, then answered."""
    list(account().calendar.all().only("subject"))


def send_as() -> None:
    """Send from an address that is not one's own."""
    message = Message(
        account=account(),
        subject="Offer",
        body="Text",
        author=Mailbox(email_address="avery@adatum.example"),
        to_recipients=[Mailbox(email_address="kim@fabrikam.example")],
    )
    try:
        message.send()
    except ErrorSendAsDenied:
        return
    sys.exit("the stub let it pass")


def free_busy() -> None:
    """Ask for the free/busy of two mailboxes."""
    start = EWSDateTime(2024, 5, 13, 8, tzinfo=UTC)
    wanted = [(ADDRESS, "Organizer", False), ("casey@contoso.com", "Required", False)]
    list(account().protocol.get_free_busy_info(accounts=wanted, start=start, end=start + timedelta(hours=24)))


def refused_free_busy() -> None:
    """The same, where one of them answers and the other refuses."""
    with suppress(ErrorNoFreeBusyAccess):
        free_busy()


def tell(pieces: dict[str, Callable[[], None]]) -> None:
    """Tell the pieces that the command line asks for, in that order."""
    RsaOnly.ca = sys.argv[1]
    BaseProtocol.HTTP_ADAPTER_CLS = RsaOnly
    for piece in sys.argv[2:]:
        pieces[piece]()


PIECES = {
    "autodiscover": autodiscover,
    "folders": folders,
    "busy": busy,
    "send-as": send_as,
    "free-busy": refused_free_busy,
}


if __name__ == "__main__":
    tell(PIECES)
