"""What strangers say in Autodiscover and EWS stops no rule and no story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from autodiscover_dialogues import (
    pox_redirect,
    pox_redirect_url,
    pox_request,
    pox_settings,
    protocol,
    soap_request,
    soap_settings,
)
from exchange_dialogues import EWS, asked, availability, free_busy, ok, post
from hypothesis import given
from hypothesis import strategies as st
from packets import http_response

from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.findings.storytellers import tell_stories

if TYPE_CHECKING:
    from packets import Scene

BAD_URLS = ["http://[bad/::", "//[", "https://", "::", "http://a@b:c/d", "\\\\server\\share", "x" * 5000]


def assert_survived(scene: Scene) -> None:
    analysis = scene.analysis()
    detective = Detective()
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures, analysis.surroundings)
    assert detective.faults == {}
    tell_stories(detective.scene)


@pytest.mark.parametrize("url", BAD_URLS)
def test_urls_that_are_none_stop_nothing(url: str) -> None:
    moved = http_response("302 Found", (f"Location: {url}",))
    assert_survived(
        asked(
            (pox_request(), moved),
            (pox_request(), pox_redirect_url(url)),
            (pox_request(url), pox_redirect(url)),
            (pox_request(), pox_settings(protocol("EXPR", url, EwsUrl=url, ServerVersion=url))),
            (soap_request(), soap_settings(ExternalEwsUrl=url)),
            (pox_request(host=url.replace("/", "")), moved),
        )
    )


@given(st.binary(max_size=40), st.integers(0, 400), st.sampled_from([0, 1, 2]))
def test_damaged_messages_stop_nothing(junk: bytes, at: int, which: int) -> None:
    pairs = [
        (pox_request(), pox_settings(protocol("EXPR", "a"))),
        (soap_request(), soap_settings(ExternalEwsUrl="x")),
        (post(EWS, availability("a@b.de")), ok(free_busy(("ErrorX", "LID: 47652")))),
    ]
    request, response = pairs[which]
    head, separator, body = response.partition(b"\r\n\r\n")
    damaged = body[:at] + junk + body[at + len(junk) :]
    assert_survived(asked((request, head + separator + damaged)))
