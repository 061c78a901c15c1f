"""exchangelib on a good day, against the stub front end. Usage: healthy_client.py CA WHAT...

Each WHAT is one piece of the story: autodiscover, folders, notifications, away, free-busy.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from capture_lab.exchangelib_client import account, autodiscover, folders, free_busy, tell


def notifications() -> None:
    """Subscribe to the inbox, read what comes until the server ends it, unsubscribe."""
    inbox = account().inbox
    with inbox.streaming_subscription() as subscription:
        list(inbox.get_streaming_events(subscription, connection_timeout=1))


def away() -> None:
    """Ask for the automatic replies."""
    account().oof_settings  # noqa: B018 - the property asks the server


PIECES = {
    "autodiscover": autodiscover,
    "folders": folders,
    "notifications": notifications,
    "away": away,
    "free-busy": free_busy,
}


if __name__ == "__main__":
    tell(PIECES)
