"""The sample of healthy phones, browsers and Outlook: all is told, and nothing is found."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tlsdecrypt

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

ROOT = Path(__file__).resolve().parents[2]


@cache
def analysis() -> Analysis:
    keys = tlsdecrypt.load_keys(pfx=[str(ROOT / "keys" / "mail-password.pfx")], passwords=["tlsdecrypt"])
    return tlsdecrypt.analyze([str(ROOT / "captures" / "mobile-healthy.pcap")], keys=keys)


def test_nothing_is_found_in_healthy_traffic() -> None:
    assert analysis().findings == ()


def test_all_that_was_done_is_told() -> None:
    told: Counter[str] = Counter()
    for conversation in analysis().conversations:
        for exchange in conversation.exchanges:
            assert exchange.faults == ()
            for name in ("activesync", "mapi", "oab", "owa"):
                facts = exchange.annotations.get(name)
                if facts is not None:
                    assert "faults" not in facts
                    assert "error_code" not in facts
                    what = facts.get("command") or facts.get("request_type") or facts.get("step") or facts.get("kind")
                    told[f"{name} {what}"] += 1
    assert told == {
        "activesync Provision": 2,
        "activesync FolderSync": 1,
        "activesync Sync": 3,
        "activesync SendMail": 1,
        "activesync Ping": 2,
        "activesync Settings": 1,
        "activesync None": 1,  # OPTIONS
        "owa None": 2,  # the inbox
        "owa logon form": 1,
        "owa sign-in": 1,
        "owa sign-out": 1,
        "oab manifest": 2,
        "oab full": 1,
        "mapi Connect": 1,
        "mapi Execute": 1,
        "mapi Disconnect": 1,
    }
