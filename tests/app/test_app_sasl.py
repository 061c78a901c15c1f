"""SASL: who authenticates, after the examples of the mechanisms' standards; whatever is sent is survived."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ntlm_peers import ntlm_login

from tlsdecrypt.app.sasl import MAX_NAME, read_sasl

MECHANISMS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "XOAUTH2", "OAUTHBEARER"),
    *("EXTERNAL", "NTLM", "GSSAPI", "EXCHANGEAUTH", "UNKNOWN"),
)


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


@pytest.mark.parametrize(
    ("mechanism", "answers", "facts", "passwords"),
    [
        # RFC 4616 section 4
        ("PLAIN", ["AHRpbQB0YW5zdGFhZnRhbnN0YWFm"], {"user": "tim"}, ("tanstaaftanstaaf",)),
        ("PLAIN", ["VXJzZWwAS3VydAB4aXBqMzBwbHFz"], {"user": "Kurt", "authorize_as": "Ursel"}, ("xipj30plqs",)),
        # RFC 2195 section 2
        ("CRAM-MD5", ["dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"], {"user": "tim"}, ()),
        # RFC 7677 section 3
        ("SCRAM-SHA-256", [b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")], {"user": "user"}, ()),
        ("SCRAM-SHA-1", [b64("n,a=other,n=us=2Cer,r=x")], {"user": "us,er", "authorize_as": "other"}, ()),
        # RFC 7628 section 4.1
        (
            "OAUTHBEARER",
            [b64("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4q\x01\x01")],
            {"user": "user@example.com"},
            ("vF9dft4q",),
        ),
        ("LOGIN", [b64("avery"), b64("secret")], {"user": "avery"}, ("secret",)),
        ("XOAUTH2", [b64("user=a@b.example\x01auth=Bearer tok\x01\x01")], {"user": "a@b.example"}, ("tok",)),
        ("EXTERNAL", [b64("avery")], {"user": "avery"}, ()),
        ("UNKNOWN", [b64("avery")], {}, ()),
    ],
)
def test_a_mechanism_shows_who_and_keeps_the_secret_apart(
    mechanism: str, answers: list[str], facts: dict[str, Any], passwords: tuple[str, ...]
) -> None:
    read = read_sasl(mechanism.lower(), answers, [])
    assert read.facts == {"mechanism": mechanism, **facts}
    assert read.passwords == passwords


def test_digest_md5_shows_user_and_service() -> None:
    # RFC 2831 section 4
    said = (
        'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
        'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth'
    )
    facts = read_sasl("DIGEST-MD5", [b64(said)], []).facts
    assert (facts["user"], facts["target_name"]) == ("chris", "imap/elwood.innosoft.com")
    assert "d388dad" not in str(facts)


def test_ntlm_of_a_real_client_shows_who_to_whom() -> None:
    negotiate, challenge, authenticate = (b64(token) for token in ntlm_login())
    facts = read_sasl("NTLM", [negotiate, authenticate], [challenge]).facts
    assert (facts["token"], facts["domain"], facts["user"], facts["response"]) == ("NTLM", "CONTOSO", "avery", "NTLMv2")
    assert facts["target_name"] == "HTTP/mail.contoso.com"
    assert facts["channel_binding"] == ""


def test_gssapi_with_ntlm_inside_says_so() -> None:
    tokens = [b64(token) for token in ntlm_login(protocol="negotiate")]
    assert read_sasl("GSSAPI", tokens[::2], tokens[1::2]).facts["token"] == "NTLM"


def test_a_refused_token_names_the_status() -> None:
    refusal = b64('{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')
    assert read_sasl("XOAUTH2", [b64("user=a\x01auth=Bearer t\x01\x01")], [refusal]).facts["error_status"] == "400"


def test_names_are_bounded_and_printable() -> None:
    facts = read_sasl("PLAIN", [b64("\0" + "a" * 1000 + "\n\x1b\0secret")], []).facts
    assert facts["user"] == "a" * MAX_NAME


@given(
    st.sampled_from(MECHANISMS),
    st.lists(st.binary(max_size=80), max_size=4),
    st.lists(st.binary(max_size=80), max_size=3),
)
def test_any_tokens_are_survived(mechanism: str, answers: list[bytes], challenges: list[bytes]) -> None:
    found = read_sasl(mechanism, list(map(b64, answers)), list(map(b64, challenges)))
    assert found.facts["mechanism"] == mechanism
    assert all(found.passwords)


@given(st.sampled_from(MECHANISMS), st.lists(st.text(max_size=40), max_size=4))
def test_what_is_no_base64_is_survived(mechanism: str, answers: list[str]) -> None:
    found = read_sasl(mechanism, answers, answers)
    assert found.facts["mechanism"] == mechanism
    assert all(found.passwords)


def test_a_cut_token_is_survived() -> None:
    for token in ntlm_login():
        for length in range(len(token)):
            assert read_sasl("NTLM", [b64(token[:length])], []).facts["mechanism"] == "NTLM"
