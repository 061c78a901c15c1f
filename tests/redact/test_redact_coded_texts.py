"""Secrets in Base64 inside of other texts: a marker in each wrapping, sought in every output and in captures."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from cli_runs import run
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, http_request, http_response
from test_redact_logins import MARKER, assert_hidden, both_ways, outputs

from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.coded_texts import mask_coded

if TYPE_CHECKING:
    from pathlib import Path

INNER = json.dumps({"user": "kim", "password": MARKER})


def coded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def folded(text: str) -> str:
    """As mail folds it, RFC 2045 section 6.8."""
    return base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")


CONTENTS = {
    "json": ("application/json", json.dumps({"payload": coded(INNER), "seen": "zebra"})),
    "json, twice": (
        "application/json",
        json.dumps({"a": [coded(json.dumps({"c": coded(INNER)}))], "d": "zebra"}),
    ),
    "json in lines": ("application/json", json.dumps({"payload": coded(json.dumps(json.loads(INNER), indent=1))})),
    "a list": ("application/json", json.dumps({"payload": coded(f"[{INNER}]")})),
    "escaped slashes": (
        "application/json",
        json.dumps({"payload": coded(json.dumps({"q": "?>?>?>", "pwd": MARKER}))}).replace("/", "\\/"),
    ),
    "without padding": ("application/json", json.dumps({"payload": coded(INNER).rstrip("=")})),
    "wide json": ("application/json", json.dumps({"payload": coded(INNER.encode("utf-16-le"))})),
    "xml in json": ("application/json", json.dumps({"payload": coded(f"<a><Password>{MARKER}</Password></a>")})),
    "json in xml": ("text/xml", f"<a><b>{coded(INNER)}</b></a>"),
    "json in xml, folded": ("text/xml", f"<a><b>{folded(INNER)}</b></a>"),
    "a form in json": ("application/json", json.dumps({"payload": coded(f"password={MARKER}&user=kim")})),
    "json in a form": ("application/x-www-form-urlencoded", f"d={quote(coded(INNER), safe='')}&e=zebra"),
    "json in text": ("text/plain", f"it says {coded(INNER)}, it does"),
}


@pytest.mark.parametrize("place", CONTENTS)
def test_a_secret_in_base64_in_a_content_is_hidden(place: str, tmp_path: Path) -> None:
    kind, content = CONTENTS[place]
    shown = outputs(both_ways(kind, content.encode()), tmp_path)
    path = tmp_path / "a.pcapng"
    assert run(tmp_path / "scene.pcap", "-o", path).exit_code == 0
    for secret in (MARKER, INNER):
        assert_hidden(shown, secret.encode())
        assert_hidden(path.read_bytes(), secret.encode())
    assert b"zebra" not in content.encode() or (b"zebra" in shown and b"zebra" in path.read_bytes())


@pytest.mark.parametrize("place", ["X-Context: {}", "Referer: https://a.example/?ctx={}", "X-A: b={}; c"])
def test_a_secret_in_base64_in_a_head_is_hidden(place: str, tmp_path: Path) -> None:
    shown = outputs(
        [
            C(http_request(f"GET /a/{coded(INNER)}?s={coded(INNER)}", [place.format(coded(INNER))])),
            S(http_response("200 OK")),
        ],
        tmp_path,
    )
    assert_hidden(shown)
    path = tmp_path / "a.pcapng"
    assert run(tmp_path / "scene.pcap", "-o", path).exit_code == 0
    assert_hidden(path.read_bytes())


@pytest.mark.parametrize(
    "text", [coded('{"user": "kim", "mail": "kim@contoso.com"}'), coded("PDF and other words, more"), "eyJhbGci"]
)
def test_base64_that_holds_no_secret_stays(text: str) -> None:
    assert Redactor().text(f"a {text} b") == f"a {text} b"
    assert Redactor().content(json.dumps({"a": text}).encode(), "application/json") == json.dumps({"a": text}).encode()


@given(st.text(alphabet="eyJW3sPDGcFzQ=+/-_.\r\n ", max_size=80))
def test_whatever_looks_like_base64_is_read_or_left(text: str) -> None:
    assert mask_coded(text, lambda _: False, lambda _: "x") == text
