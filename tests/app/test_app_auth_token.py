"""Tokens of Negotiate show their mechanism, and what Kerberos leaves in the clear."""

from __future__ import annotations

import base64

import pytest
from der_writing import KERBEROS, ap_req, gss, kerberos_token, krb_error, neg_token_resp
from hypothesis import given
from hypothesis import strategies as st
from ntlm_peers import ntlm_login

from tlsdecrypt.app.auth import parse_credentials
from tlsdecrypt.app.auth_token import parse_security_token


def test_a_ticket_in_spnego_shows_service_realm_and_encryption() -> None:
    token = parse_security_token(kerberos_token("HTTP", "mail.contoso.com"))
    assert token.mechanism == "Kerberos"
    assert token.offered == ("Kerberos (Microsoft)", "Kerberos", "NTLM")
    assert token.kerberos is not None
    assert (token.kerberos.name, token.kerberos.sname, token.kerberos.realm, token.kerberos.kvno) == (
        "AP-REQ", "HTTP/mail.contoso.com", "CONTOSO.COM", 3,
    )  # fmt: skip
    assert token.kerberos.etype == "aes256-cts-hmac-sha1-96"


@pytest.mark.parametrize("wrap", [lambda token: gss(KERBEROS, b"\x01\x00" + token), lambda token: token])
def test_a_ticket_without_spnego_is_read(wrap: object) -> None:
    token = parse_security_token(wrap(ap_req("CONTOSO.COM", "SMTPSVC", "ex01.contoso.com")))  # type: ignore[operator]
    assert token.kerberos is not None
    assert token.kerberos.sname == "SMTPSVC/ex01.contoso.com"


def test_an_error_in_the_answer_has_its_name() -> None:
    blob = neg_token_resp(2, gss(KERBEROS, b"\x03\x00" + krb_error(37, "CONTOSO.COM", "HTTP", "mail.contoso.com")))
    token = parse_security_token(blob)
    assert token.state == "reject"
    assert token.kerberos is not None
    assert (token.kerberos.name, token.kerberos.error) == ("KRB-ERROR", "KRB_AP_ERR_SKEW")
    assert token.kerberos.server_time == "2026-01-01T12:00:00Z"


def test_ntlm_in_spnego_is_ntlm() -> None:
    tokens = [parse_security_token(each) for each in ntlm_login(protocol="negotiate")]
    assert [each.ntlm.message_type for each in tokens if each.ntlm] == [1, 2, 3]
    assert tokens[0].offered == ("NTLM",)
    assert (tokens[-1].mechanism, tokens[-1].state) == ("SPNEGO", "accept-completed")


def test_a_ticket_is_a_complete_credential_and_the_first_leg_of_ntlm_is_none() -> None:
    def credentials(token: bytes) -> bool:
        return parse_credentials(f"Negotiate {base64.b64encode(token).decode()}").is_complete

    assert credentials(kerberos_token("HTTP", "mail.contoso.com"))
    assert credentials(b"\x60\x82\x01\x00 a token of a mechanism that nobody knows")
    assert not credentials(b"")
    assert [credentials(each) for each in ntlm_login()] == [False, False, True]


def test_a_cut_token_never_fails() -> None:
    for token in (kerberos_token("HTTP", "a"), neg_token_resp(0, krb_error(6, "R", "s")), *ntlm_login()):
        for length in range(len(token)):
            read = parse_security_token(token[:length])
            assert read is None or read.mechanism in {None, "NTLM", "Kerberos", "SPNEGO"}


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x60", b"\xa1", b"\xa0", b"\x6e", b"\x7e", b"NTLMSSP\0"]))
def test_no_bytes_make_it_fail(data: bytes, start: bytes) -> None:
    read = parse_security_token(start + data)
    assert read is None or read.mechanism in {None, "NTLM", "Kerberos", "SPNEGO"}
