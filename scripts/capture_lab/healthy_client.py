"""exchangelib on a good day, against the stub front end. Usage: healthy_client.py CA WHAT...

Each WHAT is one piece of the story: autodiscover, folders, notifications, away, free-busy.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from exchangelib import UTC, EWSDateTime
from exchangelib.protocol import BaseProtocol

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab.exchangelib_client import ADDRESS, RsaOnly, account, autodiscover, folders


def notifications() -> None:
    """Subscribe to the inbox, read what comes until the server ends it, unsubscribe."""
    inbox = account().inbox
    with inbox.streaming_subscription() as subscription:
        list(inbox.get_streaming_events(subscription, connection_timeout=1))


def away() -> None:
    """Ask for the automatic replies."""
    account().oof_settings  # noqa: B018 - the property asks the server


def free_busy() -> None:
    """Ask for the free/busy of two mailboxes."""
    start = EWSDateTime(2024, 5, 13, 8, tzinfo=UTC)
    wanted = [(ADDRESS, "Organizer", False), ("casey@contoso.com", "Required", False)]
    list(account().protocol.get_free_busy_info(accounts=wanted, start=start, end=start + timedelta(hours=24)))


PIECES = {
    "autodiscover": autodiscover,
    "folders": folders,
    "notifications": notifications,
    "away": away,
    "free-busy": free_busy,
}


def main() -> None:
    """Tell the pieces that were asked for, in that order."""
    RsaOnly.ca = sys.argv[1]
    BaseProtocol.HTTP_ADAPTER_CLS = RsaOnly
    for piece in sys.argv[2:]:
        PIECES[piece]()


if __name__ == "__main__":
    main()
