"""WWW-Authenticate is read as RFC 9110 writes it, and as servers do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.auth_challenges import parse_challenges

BEARER = (
    'Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000@*", '
    'token_types="app_asserted_user_v1 service_asserted_app_v1", '
    'authorization_uri="https://login.windows.net/common/oauth2/authorize", error="invalid_token"'
)


def test_the_challenges_of_exchange_are_told_apart() -> None:
    challenges = parse_challenges([BEARER, "Negotiate", "NTLM", 'Basic realm="mail.contoso.com"'])
    assert [each.scheme for each in challenges] == ["Bearer", "Negotiate", "NTLM", "Basic"]
    assert challenges[0].parameters["authorization_uri"] == "https://login.windows.net/common/oauth2/authorize"
    assert challenges[3].parameters == {"realm": "mail.contoso.com"}


def test_the_example_of_the_standard_is_read() -> None:
    # RFC 9110 section 11.6.1.
    value = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'
    assert parse_challenges([value]) == [
        ("Basic", {"realm": "simple"}, ""),
        ("Newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}, ""),
    ]


def test_one_field_may_hold_many_schemes_without_parameters() -> None:
    assert [each.scheme for each in parse_challenges(["Negotiate, NTLM, Basic realm=x, Bearer"])] == [
        "Negotiate", "NTLM", "Basic", "Bearer",
    ]  # fmt: skip


def test_a_token_is_none_of_the_parameters() -> None:
    assert parse_challenges(["NTLM TlRMTVNTUAACAAAA=="]) == [("NTLM", {}, "TlRMTVNTUAACAAAA==")]
    assert parse_challenges(["Negotiate oYG2MIGzoAMKAQE=, NTLM"]) == [
        ("Negotiate", {}, "oYG2MIGzoAMKAQE="), ("NTLM", {}, ""),
    ]  # fmt: skip


@given(st.lists(st.text(alphabet='Basic Negotiate,="\\ realm/+x\t', max_size=60), max_size=4))
def test_nothing_makes_it_fail(fields: list[str]) -> None:
    written = " ".join(fields).lower()
    assert all(each.scheme.lower() in written for each in parse_challenges(fields))


def test_a_field_that_never_ends_is_bounded() -> None:
    assert len(parse_challenges(["a, " * 100_000])) == 20
    parse_challenges(['Basic realm="' + "x" * 1_000_000, "Digest " + "a=b, " * 100_000])
