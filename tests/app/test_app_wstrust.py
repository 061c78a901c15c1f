"""WS-Trust: who wanted which token, whether it came, and why not; tokens and passwords are not told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from app_exchanges import annotations_of
from hypothesis import given
from hypothesis import strategies as st
from trust_messages import (
    MEX,
    SECRET,
    SOON,
    TRUST_13,
    TRUST_2005,
    XML,
    certificate,
    fault,
    federation_metadata,
    microsoft_detail,
    token_request,
    token_response,
)

PATH = "POST /adfs/services/trust/2005/usernamemixed"
METADATA = "GET /FederationMetadata/2007-06/FederationMetadata.xml"


def _all(line: str, content: str, answer: str, status: str = "200 OK") -> dict[str, Any]:
    annotations = annotations_of(line, [XML], content, status=status, answer_fields=[XML], answer=answer)
    assert SECRET not in json.dumps(annotations)
    return annotations


def _texts(facts: Any) -> set[str]:
    """All texts in annotations but summaries, which are made of the others."""
    if isinstance(facts, dict):
        return {text for name, each in facts.items() if name != "summary" for text in _texts(each)}
    if isinstance(facts, list):
        return {text for each in facts for text in _texts(each)}
    return {facts} if isinstance(facts, str) else set()


def _wstrust(line: str, content: str, answer: str, status: str = "200 OK") -> dict[str, Any]:
    found: dict[str, Any] = _all(line, content, answer, status)["wstrust"]
    return found


@pytest.mark.parametrize(("trust", "version"), [(TRUST_2005, "2005/02"), (TRUST_13, "1.3")])
def test_a_token_that_is_issued_shows_issuer_audience_and_life(trust: str, version: str) -> None:
    facts = _wstrust(PATH, token_request(trust=trust), token_response(trust))
    assert (facts["endpoint"], facts["version"], facts["request_type"]) == ("2005/usernamemixed", version, "Issue")
    assert (facts["user"], facts["applies_to"]) == ("avery@contoso.com", "urn:federation:MicrosoftOnline")
    assert (facts["created"], facts["expires"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
    assert facts["assertion"] == {
        "version": "1.1",
        "issuer": "http://sts.contoso.com/adfs/services/trust",
        "audiences": ["urn:federation:MicrosoftOnline"],
        "not_before": "2026-01-01T00:00:00Z",
        "not_on_or_after": "2026-01-01T01:00:00Z",
        "issued": "2026-01-01T00:00:01Z",
        "name_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        "method": "urn:oasis:names:tc:SAML:1.0:am:password",
        "attributes": ["UPN", "ImmutableID"],
        "signature": "rsa-sha256",
    }


def test_a_fault_has_its_subcode_reason_and_codes() -> None:
    facts = _wstrust(PATH, token_request(), fault(), "500 Internal Server Error")
    assert (facts["fault"], facts["codes"]) == ("FailedAuthentication", ["ID3242"])
    assert facts["reason"].startswith("ID3242: ")


def test_the_innermost_subcode_of_nested_ones_counts() -> None:
    facts = _wstrust(PATH, token_request(), fault("RequestFailed", "no", inner="InvalidScope"), "500 Error")
    assert facts["fault_codes"] == ["Sender", "RequestFailed", "InvalidScope"]
    assert facts["fault"] == "InvalidScope"


def test_the_detail_of_microsofts_own_sts_is_read() -> None:
    detail = microsoft_detail("0x80048821", "0x80041034", "The specified member name is either invalid or empty.")
    facts = _wstrust("POST /extSTS.srf", token_request(), fault(detail=detail), "500 Error")
    assert (facts["endpoint"], facts["value"], facts["internal_code"]) == ("extsts.srf", "0x80048821", "0x80041034")
    assert "member name" in facts["internal_text"]


def test_a_token_request_elsewhere_is_found_by_its_body() -> None:
    facts = _wstrust("POST /idp/sts", token_request(), token_response())
    assert facts["request_type"] == "Issue"
    assert "endpoint" not in facts


def test_metadata_exchange_names_the_services() -> None:
    facts = _wstrust("GET /adfs/services/trust/mex", "", MEX)
    assert facts["services"] == ["https://sts.contoso.com/adfs/services/trust/13/usernamemixed"]


def test_federation_metadata_tells_how_long_certificates_last() -> None:
    signing, encryption = certificate(SOON), certificate(SOON.replace(year=2027))
    metadata = _all(
        "GET /FederationMetadata/2007-06/FederationMetadata.xml",
        "",
        federation_metadata(signing, signing, encryption=encryption),
    )["federation_metadata"]
    assert metadata["entity_id"] == "http://sts.contoso.com/adfs/services/trust"
    assert [(each["use"], each["not_after"]) for each in metadata["certificates"]] == [
        ("signing", "2026-01-11T00:00:00Z"), ("encryption", "2027-01-11T00:00:00Z"),
    ]  # fmt: skip
    assert metadata["roles"] == ["SecurityTokenServiceType", "IDPSSODescriptor"]
    assert "until 2026-01-11" in metadata["summary"]


def test_certificates_that_are_none_have_a_fault() -> None:
    metadata = _all(
        "GET /FederationMetadata/2007-06/FederationMetadata.xml", "", federation_metadata(b"no certificate")
    )
    assert metadata["federation_metadata"]["certificates"] == [
        {"use": "signing", "fault": "the certificate cannot be read"}
    ]


@pytest.mark.parametrize("document", [token_request(), token_response(TRUST_13), fault(), MEX, federation_metadata()])
def test_a_cut_document_tells_no_more_than_the_whole_one(document: str) -> None:
    whole = [*_texts(_all(PATH, token_request(), document)), *_texts(_all(METADATA, "", document)), document]
    for length in range(0, len(document), 37):
        asked = _all(PATH, token_request()[:length], document[:length])["wstrust"]
        told = _texts(asked) | _texts(_all(METADATA, "", document[:length]).get("federation_metadata"))
        assert not [each for each in told if not any(each in full for full in whole)]


@given(st.text(max_size=200))
def test_text_that_is_no_trust_message_issues_and_refuses_nothing(text: str) -> None:
    facts = _all(PATH, text, f"<a>{text}</a>").get("wstrust", {})
    assert {"issued", "fault", "token"}.isdisjoint(facts)


def test_a_deep_document_is_survived() -> None:
    deep = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'>" + "<s:Body>" * 20_000
    assert {"issued", "fault", "token"}.isdisjoint(_all(PATH, deep, deep).get("wstrust", {}))
