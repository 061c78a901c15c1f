"""A recording of real clients on a good day: nothing is wrong, and the stories say so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tlsdecrypt import analyze, load_keys
from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.findings.finding import Severity
from tlsdecrypt.findings.storytellers import tell_stories

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "captures" / "exchange-healthy.pcap"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze([CAPTURE], keys=load_keys(keys=[ROOT / "keys" / "mail.key.pem"]))


def test_nothing_is_wrong_with_healthy_traffic(analysis: Analysis) -> None:
    grave = [each for each in analysis.findings if each.severity > Severity.INFO]
    assert grave == []


def test_notifications_of_a_real_client_are_read(analysis: Analysis) -> None:
    steps = [each for conversation in analysis.conversations for each in conversation.exchanges]
    [stream] = [each.annotations["ews"] for each in steps if each.annotations.get("ews", {}).get("events")]
    assert (stream["operation"], stream["events"]) == ("GetStreamingEvents", {"NewMail": 2})
    assert (stream["envelope_count"], stream["connection_status"]) == (4, "Closed")


def test_the_searches_of_healthy_clients_end_with_settings(analysis: Analysis) -> None:
    detective = Detective([])
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures, analysis.surroundings)
    told = {(each.kind, each.state) for each in tell_stories(detective.scene)}
    assert {("autodiscover", "good"), ("free-busy", "good")} <= told
    assert {state for _, state in told} == {"good"}
