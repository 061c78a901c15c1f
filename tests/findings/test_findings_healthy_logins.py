"""The sample of healthy logins by curl, requests-ntlm and pypsrp: each is understood, and nothing is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tlsdecrypt import analyze
from tlsdecrypt.app.auth_facts import ABSENT, MATCHES
from tlsdecrypt.findings.authentication_story import authentication_stories
from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.keyring import load_keys

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    keys = load_keys(pfx=[ROOT / "keys" / "mail.pfx"])
    return analyze([ROOT / "captures" / "logins-healthy.pcap"], keys=keys)


def _annotations(analysis: Analysis, name: str) -> list[dict[str, Any]]:
    return [
        each.annotations[name] for told in analysis.conversations for each in told.exchanges if name in each.annotations
    ]


def test_nothing_is_wrong_with_healthy_logins(analysis: Analysis) -> None:
    assert analysis.findings == ()
    assert not any("failed" in note for note in analysis.notes)


def test_bindings_of_requests_ntlm_and_pypsrp_match_the_certificate_and_curl_sends_none(analysis: Analysis) -> None:
    results = [
        each["channel_binding"]["result"] for each in _annotations(analysis, "auth") if "channel_binding" in each
    ]
    assert results == [ABSENT, MATCHES, MATCHES]


def test_the_session_of_pypsrp_is_read_from_create_to_delete(analysis: Analysis) -> None:
    told = _annotations(analysis, "wsman")
    assert [each["action"] for each in told] == ["Create"] * 3 + ["Receive", "Command", "Receive", "Delete"]
    assert told[3]["response"]["runspace_state"] == "opened"
    assert told[4]["request"]["commands"] == [{"name": "Get-Mailbox", "parameters": ["Identity"]}]
    assert (told[5]["response"]["state"], told[5]["response"]["outputs"]) == ("completed", 1)


def test_tokens_are_read_and_secrets_are_not_told(analysis: Analysis) -> None:
    [trust, _] = _annotations(analysis, "wstrust")[::-1]
    assert trust["assertion"]["audiences"] == ["urn:federation:MicrosoftOnline"]
    assert {each["issued"][0] for each in _annotations(analysis, "oauth") if "issued" in each} == {"access"}
    everything = json.dumps([each.annotations for told in analysis.conversations for each in told.exchanges])
    assert "not-a-real-password" not in everything
    assert "bm90LWEtc2lnbmF0dXJl" not in everything  # the signature of the token


def test_every_login_ends_well(analysis: Analysis) -> None:
    detective = Detective([])
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures)
    verdicts = [story.verdict for story in authentication_stories(detective.scene)]
    assert verdicts == [
        "CONTOSO\\avery gets in with NTLM type 3",
        "CONTOSO\\avery gets in with NTLM type 3",
        "CONTOSO\\avery gets in with Negotiate (NTLM type 3)",
        "avery@contoso.com gets in with Bearer (JWT)",
    ]
