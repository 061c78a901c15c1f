"""Sessions with pre-shared keys: real ones of OpenSSL, opened with the key, and named where it is missing or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from relayed_peers import ANSWER, LINE, ORDERS, Flights, observe, openssl_sessions
from tls_peers import make_certificate

from tlsdecrypt.tls.keyfiles import parse_key_file
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.tls.verdict import VerdictCode

if TYPE_CHECKING:
    from collections.abc import Callable

PSK = bytes(range(16))
WRONG = bytes(16)
SUITES = [
    "TLS_PSK_WITH_AES_128_GCM_SHA256",
    "TLS_PSK_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
    "TLS13_psk_ke",
    "TLS13_psk_dhe_ke",
]
OPENED = [*SUITES[:3], "TLS13_psk_ke"]
OPTIONS = {  # of both sides
    "TLS13_psk_ke": ["-tls1_3", "-allow_no_dhe_kex"],  # no group in common leaves nothing else
    "TLS13_psk_dhe_ke": ["-tls1_3"],
}


@pytest.fixture(scope="module")
def sessions(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Flights]:
    folder = tmp_path_factory.mktemp("psk")
    (folder / "server.pem").write_bytes(b"".join(make_certificate()))
    found = {}
    for suite in SUITES:
        options = ["-psk", PSK.hex(), "-psk_identity", "me", *OPTIONS.get(suite, ["-tls1_2"])]
        if suite not in OPTIONS:
            short = suite.removeprefix("TLS_").replace("_WITH", "").replace("AES_128_CBC", "AES128-CBC")
            options += ["-cipher", short.replace("AES_128", "AES128").replace("_", "-")]
        is_ke = suite == "TLS13_psk_ke"
        server, client = (["-groups", group] if is_ke else [] for group in ("P-256", "X25519"))
        server = [*options, *server, *(["-cert", "server.pem"] if "RSA" in suite else ["-nocert"])]
        found[suite] = openssl_sessions(program("openssl"), server, [[*options, *client]], folder)[0]
    return found


def store_of(*psks: tuple[bytes | None, bytes], has_key: bool = False) -> SecretStore:
    store = SecretStore()
    for identity, key in psks:
        store.add_psk(identity, key, "--psk")
    if has_key:
        store.add_private_keys(parse_key_file(b"".join(make_certificate()), "server.pem", lambda: None))
    return store


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("suite", OPENED)
def test_a_session_opens_with_its_pre_shared_key(sessions: dict[str, Flights], suite: str, order: str) -> None:
    for psks in (
        [(None, PSK)],
        [(b"me", PSK)],
        [(None, WRONG), (b"you", WRONG), (None, PSK)],
        [(b"me", WRONG), (b"me", PSK)],
    ):
        session, up, down, _ = observe(sessions[suite], store_of(*psks, has_key="RSA" in suite), order)
        assert (up, down) == (LINE, ANSWER), psks
        assert session.verdict.code is VerdictCode.DECRYPTED
        assert session.key is not None
        assert (session.key.kind, session.key.source) == ("pre-shared key", "--psk")
        assert session.cipher_suite == suite or suite.startswith("TLS13")


@pytest.mark.parametrize("psk", [(None, WRONG), (b"me", WRONG)])
@pytest.mark.parametrize("suite", OPENED)
def test_a_wrong_pre_shared_key_is_called_wrong(
    sessions: dict[str, Flights], suite: str, psk: tuple[bytes | None, bytes]
) -> None:
    session, up, down, _ = observe(sessions[suite], store_of(psk, has_key="RSA" in suite))
    assert (up, down, session.verdict.code) == (b"", b"", VerdictCode.WRONG_KEY)
    assert "--psk" in session.verdict.summary


@pytest.mark.parametrize("psks", [[], [(b"you", PSK)]], ids=["none", "another"])
@pytest.mark.parametrize("suite", OPENED)
def test_a_missing_pre_shared_key_is_named(
    sessions: dict[str, Flights], suite: str, psks: list[tuple[bytes, bytes]]
) -> None:
    session = observe(sessions[suite], store_of(*psks, has_key="RSA" in suite))[0]
    assert session.verdict.code is VerdictCode.NO_SECRET
    assert "identity 'me'" in session.verdict.summary
    assert session.verdict.remedy is not None
    assert "--psk" in session.verdict.remedy


def test_one_half_of_rsa_psk_is_not_enough(sessions: dict[str, Flights]) -> None:
    session = observe(sessions["TLS_RSA_PSK_WITH_AES_128_GCM_SHA256"], store_of((None, PSK)))[0]
    assert session.verdict.code is VerdictCode.NO_KEY
    assert "CN=peer.test" in session.verdict.summary


@pytest.mark.parametrize("suite", ["TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "TLS13_psk_dhe_ke"])
def test_with_diffie_hellman_beside_it_a_pre_shared_key_is_not_enough(sessions: dict[str, Flights], suite: str) -> None:
    for order in ORDERS:
        session, up, down, _ = observe(sessions[suite], store_of((None, PSK)), order)
        assert (up, down, session.verdict.code) == (b"", b"", VerdictCode.FORWARD_SECRECY)
        assert "a pre-shared key is at hand (--psk)" in session.verdict.summary
    for psks in ([], [(None, WRONG)]):
        session = observe(sessions[suite], store_of(*psks))[0]
        assert session.verdict.code is VerdictCode.FORWARD_SECRECY
