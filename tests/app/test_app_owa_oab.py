"""Outlook on the web, the admin center, the forms page of TMG, and the manifest of the offline address book."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse
from tlsdecrypt.flow import Span

SPAN = Span(1, 1, 0, 0)
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MARKER = "Tr0ub4dor-marker"
LOGON = f"destination=https%3A%2F%2Fmail.contoso.com%2Fowa&flags=4&username=contoso%5Cavery&password={MARKER}".encode()

MANIFEST = b"""<?xml version="1.0" encoding="utf-8"?>
<OAB>
 <OAL id="1d1aa37a-0ab0-4f3c-9a0a-3f2a1f5b8d10" dn="/guid=1d1aa37a" name="\\Global Address List">
  <Full seq="123" ver="32" size="54321" uncompressedsize="234567" SHA="abc">1d1a-data-123.lzx</Full>
  <Diff seq="123" ver="32" size="321" uncompressedsize="4567" SHA="abd">1d1a-binpatch-123.lzx</Diff>
  <Diff seq="122" ver="32" size="322" uncompressedsize="4568" SHA="abe">1d1a-binpatch-122.lzx</Diff>
  <Template seq="120" ver="32" size="9" uncompressedsize="90" SHA="abf" langid="0407">1d1a-lng0407-120.lzx</Template>
 </OAL>
</OAB>"""


def exchange(
    method: str, target: str, status: int, *fields: tuple[str, str], asked: bytes = b"", answered: bytes = b""
) -> dict[str, Any]:
    request = HttpRequest(method, target, "HTTP/1.1", (FORM,) if asked else (), SPAN, content=asked)
    response = HttpResponse(status, "", "HTTP/1.1", fields, SPAN, content=answered)
    return annotate_http(request, response)


def sign_in(location: str, *cookies: str, path: str = "/owa/auth.owa") -> dict[str, Any]:
    fields = (("Location", location), *(("Set-Cookie", f"{each}={MARKER}; path=/; HttpOnly") for each in cookies))
    found: dict[str, Any] = exchange("POST", path, 302, *fields, asked=LOGON)["owa"]
    assert MARKER not in repr(found)
    return found


def test_a_sign_in_that_succeeds_is_told_with_its_user() -> None:
    facts = sign_in("https://mail.contoso.com/owa", "cadata", "cadataKey", "X-OWA-CANARY")
    assert facts == {
        "app": "owa",
        "step": "sign-in",
        "user": "contoso\\avery",
        "is_private_computer": True,
        "result": "signed in",
        "canaries": ["X-OWA-CANARY"],
        "summary": "Outlook on the web sign-in as contoso\\avery -> signed in",
    }


def test_a_wrong_password_leads_back_to_the_form_with_its_reason() -> None:
    facts = sign_in("/owa/auth/logon.aspx?url=https%3a%2f%2fmail.contoso.com%2fowa&reason=2")
    assert (facts["result"], facts["reason"]) == ("refused", "2")
    assert facts["summary"].endswith("-> refused, reason 2: user name or password is wrong")


def test_an_expired_password_is_told() -> None:
    assert sign_in("/owa/auth/expiredpassword.aspx?url=/owa")["result"] == "password expired"


def test_the_forms_page_of_tmg_is_told_apart() -> None:
    refused = sign_in(
        "https://mail.contoso.com/CookieAuth.dll?GetLogon?curl=Z2Fowa&reason=2", path="/CookieAuth.dll?Logon"
    )
    assert (refused["app"], refused["step"], refused["result"]) == ("tmg", "sign-in", "refused")
    shown = exchange("GET", "/CookieAuth.dll?GetLogon?curl=Z2Fowa&reason=0&formdir=3", 200)["owa"]
    assert shown["summary"] == "TMG forms page logon form -> HTTP 200, reason 0: first visit"


@pytest.mark.parametrize(
    ("target", "step"),
    [
        ("/owa/auth/logon.aspx?replaceCurrent=1&url=x", "logon form"),
        ("/owa/logoff.owa", "sign-out"),
        ("/owa/service.svc?action=FindItem&ID=-1", "call"),
        ("/ecp/DDI/DDIService.svc/GetList?schema=Mailboxes", "call"),
        ("/owa/auth/errorFE.aspx?httpCode=500&msg=2147500037", "error page"),
        ("/owa/", None),
    ],
)
def test_steps_are_told_by_the_path(target: str, step: str | None) -> None:
    assert exchange("GET", target, 200)["owa"].get("step") == step


def test_versions_errors_and_calls_are_told() -> None:
    fields = (
        ("X-OWA-Version", "15.2.1118.7"),
        ("X-OWA-Error", "Microsoft.Exchange.Data.Storage.ObjectNotFoundException"),
    )
    facts = exchange("POST", f"/owa/service.svc?action=FindItem&X-OWA-CANARY={MARKER}", 500, *fields)["owa"]
    assert facts["version"] == "15.2.1118.7"
    assert facts["action"] == "FindItem"
    assert facts["canaries"] == ["X-OWA-CANARY"]
    assert facts["summary"].endswith("-> HTTP 500, Microsoft.Exchange.Data.Storage.ObjectNotFoundException")
    assert MARKER not in repr(facts)


def test_the_manifest_of_an_address_book_is_listed() -> None:
    facts = exchange(
        "GET", "/OAB/1d1aa37a-0ab0-4f3c-9a0a-3f2a1f5b8d10/oab.xml", 200, ("Content-Type", "text/xml"), answered=MANIFEST
    )["oab"]
    assert facts == {
        "book": "1d1aa37a-0ab0-4f3c-9a0a-3f2a1f5b8d10",
        "file": "oab.xml",
        "kind": "manifest",
        "lists": [
            {
                "name": "\\Global Address List",
                "dn": "/guid=1d1aa37a",
                "version": 32,
                "full_size": 54321,
                "uncompressed_size": 234567,
                "sequence": 123,
                "differences": 2,
                "templates": 1,
            }
        ],
        "newest": 123,
        "summary": "offline address book manifest oab.xml -> HTTP 200, \\Global Address List (version 123)",
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [("1d1a-data-123.lzx", "full"), ("1d1a-binpatch-123.lzx", "difference"), ("1d1a-lng0407-120.lzx", "template")],
)
def test_files_of_an_address_book_have_a_kind(name: str, kind: str) -> None:
    assert exchange("GET", f"/oab/1d1aa37a/{name}", 404)["oab"]["kind"] == kind


@given(st.text(max_size=60), st.binary(max_size=100))
def test_nothing_that_a_peer_sends_stops_it(text: str, content: bytes) -> None:
    for path in ("/owa/auth.owa?", "/CookieAuth.dll?", "/ecp/", "/oab/x/oab.xml?"):
        fields = (("Location", text), ("Set-Cookie", text), ("Content-Type", "text/xml"))
        found = exchange("POST", path + text, 302, *fields, asked=content, answered=content)
        assert found["http"].get("service") is None or (found.get("owa") or found["oab"])["summary"]
