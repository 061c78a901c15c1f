"""Every sample capture gives what captures/expected.json says: the truth of tshark and of the peers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sample_cases import CASES, name_of, run

if TYPE_CHECKING:
    from tlsdecrypt import Conversation


def seen(conversation: Conversation) -> dict[str, Any]:
    """A conversation in the words of expected.json."""
    tls = conversation.tls
    digests = dict(zip(("client", "server"), conversation.application_data, strict=True))
    return {
        "client": conversation.client._asdict(),
        "server": conversation.server._asdict(),
        "tls": tls and {name: getattr(tls, name) for name in ("version", "cipher_suite", "server_name")},
        "verdict": tls and tls.verdict.code.value,
        "application_data": {side: {"length": d.length, "sha256": d.sha256} for side, d in digests.items()},
        "exchanges": [
            {
                "method": exchange.request and exchange.request.method,
                "target": exchange.request and exchange.request.target,
                "status": exchange.response and exchange.response.status,
            }
            for exchange in conversation.exchanges
            if exchange.protocol.startswith("http")
        ],
    }


@pytest.mark.parametrize("case", [case for case in CASES if not case["refused"]], ids=name_of)
def test_a_sample_capture_gives_what_is_expected_of_it(case: dict[str, Any]) -> None:
    found = [seen(conversation) for conversation in run(case).conversations]
    expected = case["connections"]
    assert [each["client"] for each in found] == [each["client"] for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one | other == one, "what is expected (None or absent: nothing in particular)"
