"""NTLM messages show names, times and bindings, and nothing that proves a password."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from ntlm_peers import DOMAIN, USER, bindings_of, ntlm_login
from spnego._ntlm_raw.messages import Authenticate, AvId, NTClientChallengeV2, TargetInfo
from spnego.channel_bindings import GssChannelBindings

from tlsdecrypt.app.ntlm import NtlmMessage, parse_ntlm
from tlsdecrypt.tls.end_point_binding import end_point_bindings

CERTIFICATE = b"not a certificate, but bytes that are hashed"


@pytest.fixture(scope="module")
def login() -> list[bytes]:
    return ntlm_login(CERTIFICATE)


def _message(token: bytes) -> NtlmMessage:
    message = parse_ntlm(token)
    assert message is not None
    return message


def test_the_messages_of_a_login_of_pyspnego_are_read(login: list[bytes]) -> None:
    asked, challenged, proved = map(_message, login)
    assert [each.message_type for each in (asked, challenged, proved)] == [1, 2, 3]
    assert challenged.target
    assert challenged.dns_computer == challenged.computer.lower()
    assert (proved.domain, proved.user, proved.response, proved.has_mic) == (DOMAIN, USER, "NTLMv2", True)
    assert (proved.target_name, proved.account) == ("HTTP/mail.contoso.com", f"{DOMAIN}\\{USER}")
    assert proved.time == challenged.time
    assert {"unicode", "key-exchange", "extended-session-security"} <= {*proved.flags}


def test_the_channel_binding_of_a_login_is_the_hash_that_pyspnego_was_given(login: list[bytes]) -> None:
    assert _message(login[-1]).channel_binding == hashlib.md5(bindings_of(CERTIFICATE).pack()).hexdigest()


def test_a_login_without_channel_binding_says_so() -> None:
    assert _message(ntlm_login()[-1]).channel_binding == ""


def test_a_channel_binding_of_zeros_is_none() -> None:
    # MS-NLMP section 2.2.2.1: what clients send that know of bindings, for applications that gave none.
    for binding, expected in ((bytes(16), ""), (b"\x01" * 16, "01" * 16)):
        pairs = TargetInfo()
        pairs[AvId.channel_bindings] = binding
        response = bytes(16) + NTClientChallengeV2(av_pairs=pairs).pack()
        message = Authenticate(flags=1, nt_challenge_response=response, username="avery").pack()
        assert _message(message).channel_binding == expected


def test_the_version_of_windows_is_told() -> None:
    # MS-NLMP section 4.2.4.3: VERSION of the example, 5.1.2600 (Windows XP).
    message = b"NTLMSSP\0" + struct.pack("<I", 3) + struct.pack("<HHI", 0, 0, 72) * 6 + struct.pack("<I", 0x02000201)
    assert _message(message + bytes.fromhex("0501280a0000000f")).version == "5.1.2600"


def test_a_challenge_of_an_old_server_without_target_info_is_read() -> None:
    challenge = b"NTLMSSP\0" + struct.pack("<IHHII8s8s", 2, 7, 7, 40, 0x00000202, bytes(8), bytes(8)) + b"CONTOSO"
    assert _message(challenge).target == "CONTOSO"


def test_responses_of_old_clients_are_told_apart() -> None:
    def authenticate(lm: int, nt: int, user: bytes = b"avery") -> bytes:
        sizes = (lm, nt, 0, len(user), 0, 0)
        fields, offset = b"", 72
        for size in sizes:
            fields += struct.pack("<HHI", size, size, offset)
            offset += size
        return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<IQ", 2, 0) + bytes(lm + nt) + user

    assert _message(authenticate(24, 24)).response == "NTLMv1"
    assert _message(authenticate(24, 0)).response == "LM"
    assert _message(authenticate(1, 0, b"")).response == "anonymous"


def test_a_cut_message_gives_what_is_there(login: list[bytes]) -> None:
    for token in login:
        whole = _message(token)
        for length in range(12, len(token)):
            assert _message(token[:length]).message_type == whole.message_type


@given(st.binary(max_size=300), st.integers(0, 4))
def test_no_bytes_make_it_fail(data: bytes, message_type: int) -> None:
    parse_ntlm(data)
    message = parse_ntlm(b"NTLMSSP\0" + struct.pack("<I", message_type) + data)
    assert message is None or message.message_type == message_type


def test_the_binding_of_a_certificate_is_what_pyspnego_hashes() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.contoso.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def certificate(algorithm: hashes.SHA256 | hashes.SHA384) -> bytes:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
        return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)

    der = certificate(hashes.SHA256())
    assert end_point_bindings(der) == (hashlib.md5(bindings_of(der).pack()).hexdigest(),)
    der = certificate(hashes.SHA384())
    by_standard = GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha384(der).digest())
    assert end_point_bindings(der) == tuple(
        hashlib.md5(each.pack()).hexdigest() for each in (by_standard, bindings_of(der))
    )
    assert end_point_bindings(b"no certificate") == ()
