"""What the tests of reports share: an analysis made of the samples, one of nothing, and a redactor."""

from __future__ import annotations

import pytest
from sample_conversations import MILLISECOND, SPKI, START, conversations

from tlsdecrypt.conversation import Analysis, CaptureFacts, KeyFacts
from tlsdecrypt.redact import Redactor


@pytest.fixture
def analysis() -> Analysis:
    """Six connections: opened, two closed for one reason, failed, in clear, partly opened."""
    capture = CaptureFacts(
        path="captures/exchange.pcapng",
        format="pcapng",
        frames=412,
        first_frame=1,
        size=98_304,
        start_ns=START,
        end_ns=START + 12_430 * MILLISECOND,
        notes=("It is cut off in the middle of frame 413.",),
        tcp_frames=395,
        doubled_frames=2,
        other_frames={"arp": 3, "udp": 12},
    )
    keys = (
        KeyFacts("keys/mail.pfx", "RSA 2048 bits", "CN=mail.contoso.com", SPKI, (1, 6)),
        KeyFacts("keys/other.pfx", "RSA 2048 bits", None, "cd" * 32),
    )
    return Analysis(
        (capture,),
        keys,
        conversations(),
        frames=412,
        other_frames={"arp": 3, "udp": 12},
        tcp_frames=395,
        doubled_frames=2,
    )


@pytest.fixture
def redactor() -> Redactor:
    """With a fixed salt, so that pseudonyms are the same in every run."""
    return Redactor(salt=b"test")


@pytest.fixture
def empty_analysis() -> Analysis:
    """A capture in which nothing was found, and no key."""
    return Analysis((), (), (), frames=0, other_frames={})
