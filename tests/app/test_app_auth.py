"""Credentials show who asks, and keep what proves it apart."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.auth import parse_credentials, parse_jwt, parse_ntlm

# MS-NLMP section 4.2.4.3: the AUTHENTICATE_MESSAGE of the NTLMv2 example.
AUTHENTICATE = bytes.fromhex(
    "4e544c4d53535000"  # signature
    "03000000"  # message type
    "180018006c000000"  # LmChallengeResponse
    "5400540084000000"  # NtChallengeResponse
    "0c000c0048000000"  # DomainName
    "0800080054000000"  # UserName
    "100010005c000000"  # Workstation
    "10001000d8000000"  # EncryptedRandomSessionKey
    "358288e2"  # NegotiateFlags
    "0501280a0000000f"  # Version
    "44006f006d00610069006e00"  # Domain
    "5500730065007200"  # User
    "43004f004d0050005500540045005200"  # COMPUTER
    "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c"
    "0044006f006d00610069006e0001000c005300650072007600650072000000000000000000"
    "c5dad2544fc9799094ce1ce90bc9d03e"
)


def test_basic_gives_user_and_password() -> None:
    token = base64.b64encode(b"avery@contoso.com:pa:ss").decode()
    credentials = parse_credentials(f"Basic {token}")
    assert (credentials.scheme, credentials.user, credentials.secret) == ("Basic", "avery@contoso.com", "pa:ss")
    assert "pa:ss" not in repr(credentials)


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_the_ntlm_message_of_the_standard_is_read(scheme: str) -> None:
    credentials = parse_credentials(f"{scheme} {base64.b64encode(AUTHENTICATE).decode()}")
    assert credentials.ntlm is not None
    assert credentials.ntlm.message_type == 3
    assert (credentials.user, credentials.ntlm.workstation) == ("Domain\\User", "COMPUTER")
    assert credentials.description == ("NTLM type 3" if scheme == "NTLM" else "Negotiate (NTLM type 3)")


def test_ntlm_inside_spnego_is_found() -> None:
    message = parse_ntlm(bytes.fromhex("a18201") + AUTHENTICATE)
    assert message is not None
    assert message.user == "User"


def test_kerberos_is_told_from_ntlm() -> None:
    blob = bytes.fromhex("6082010106062b0601050502a082010106092a864882f71201020206092a864886f712010202")
    assert parse_credentials(f"Negotiate {base64.b64encode(blob).decode()}").mechanism == "Kerberos"


def test_offsets_outside_an_ntlm_message_give_nothing() -> None:
    blob = b"NTLMSSP\0" + struct.pack("<I", 3) + b"\xff" * 60
    message = parse_ntlm(blob)
    assert message is not None
    assert (message.domain, message.user, message.workstation) == ("", "", "")


def test_a_jwt_shows_its_claims() -> None:
    parts = [
        {"alg": "RS256", "kid": "k"},
        {"aud": "a", "iss": "i", "exp": 17, "upn": "avery@contoso.com", "secret": "s"},
    ]
    token = (
        ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts) + ".c2ln"
    )
    credentials = parse_credentials(f"Bearer {token}")
    assert dict(credentials.claims) == {
        "alg": "RS256", "kid": "k", "aud": "a", "iss": "i", "exp": "17", "upn": "avery@contoso.com",
    }  # fmt: skip
    assert credentials.user == "avery@contoso.com"


def test_what_is_no_jwt_has_no_claims() -> None:
    for token in ("", "a.b.c", "opaque", "..", "eyJhbGciOiJub25lIn0.x"):
        assert parse_jwt(token) is None


@given(st.text(max_size=40), st.binary(max_size=80))
def test_nothing_makes_it_fail(text: str, blob: bytes) -> None:
    parse_credentials(text)
    message = parse_ntlm(b"NTLMSSP\0" + blob)
    assert message is None or message.message_type == int.from_bytes(blob[:4], "little")
    for scheme in ("Basic", "NTLM", "Bearer", "Digest"):
        parse_credentials(f"{scheme} {text}")
        found = parse_credentials(f"{scheme} {base64.b64encode(blob).decode()}")
        assert found is None or found.scheme == scheme


def test_ntlm_names_without_unicode_are_read() -> None:
    names = b"CONTOSOaveryPC01"
    buffers = b"".join(
        struct.pack("<HHI", n, n, at) for n, at in ((0, 64), (0, 64), (7, 64), (5, 71), (4, 76), (0, 80))
    )
    message = parse_ntlm(b"NTLMSSP\0" + struct.pack("<I", 3) + buffers + struct.pack("<I", 2) + names)
    assert message is not None
    assert (message.domain, message.user, message.workstation) == ("CONTOSO", "avery", "PC01")
