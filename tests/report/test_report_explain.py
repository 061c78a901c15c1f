"""The pre-flight view: numbers that add up, and the secret that is asked for is the one that opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD, run
from sample_conversations import CERTIFICATE, SPKI, conversation, session
from telling import written

from tlsdecrypt.conversation import Analysis, KeyFacts
from tlsdecrypt.explanation import Explanation, Means, explain, means_of
from tlsdecrypt.flow import Endpoint
from tlsdecrypt.report.explain_document import explain_document
from tlsdecrypt.report.text_explain import MAX_GROUPS
from tlsdecrypt.report.text_writer import TextWriter
from tlsdecrypt.report.writer import Manner
from tlsdecrypt.tls.verdict import Verdict, VerdictCode
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.redact import Redactor
    from tlsdecrypt.tls.session import TlsSession

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
SAMPLES = sorted(path.name for path in CAPTURES.iterdir() if path.suffix in {".pcap", ".pcapng", ".gz"})
ECDHE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
TLS13 = {"version": "TLSv1.3", "cipher_suite": "TLS_AES_256_GCM_SHA384", "server_certificates": ()}
OTHER = replace(CERTIFICATE, subject="CN=other.example", sha1_thumbprint="CC" * 20, spki_sha256="ef" * 32)


def closed(code: str = "no-key", **changed: Any) -> TlsSession:
    """A session that nothing opened."""
    return session(key=None, verdict=Verdict(VerdictCode(code), f"It is {code}."), **changed)


def resumed(resumption: str, **changed: Any) -> TlsSession:
    """A session that resumes another one, which nothing opened either."""
    facts = {"resumed": True, "resumption": resumption, "server_certificates": ()}
    return closed("resumed-parent-missing", **(facts | changed))


def analysis_of(*sessions: TlsSession | None, keys: tuple[KeyFacts, ...] = (), **changed: Any) -> Analysis:
    conversations = tuple(conversation(number, tls, **changed) for number, tls in enumerate(sessions, 1))
    return Analysis((), keys, conversations, frames=0, other_frames={})


def wanted(*sessions: TlsSession, keys: tuple[KeyFacts, ...] = ()) -> list[tuple[str, tuple[int, ...]]]:
    """The secrets that would open them, with the connections of each."""
    openers = explain(analysis_of(*sessions, keys=keys)).openers
    return [(each.means.value, each.connections) for each in openers]


def assert_adds_up(told: dict[str, Any]) -> None:
    """`told` is `explain` of the document."""
    sessions = told["sessions"]
    for part in (told["versions"], told["verdicts"]):
        assert sum(part.values()) == sessions
    assert sum(each["sessions"] for each in told["cipher_suites"]) == sessions
    groups = told["would_open"] + told["no_secret_opens"]
    assert told["opened"] + sum(each["sessions"] for each in groups) == sessions
    numbers = [number for each in groups for number in each["connections"]]
    assert len(numbers) == len(set(numbers)) == sessions - told["opened"]
    for each in told["would_open"]:
        assert sum(each["clients"].values()) == each["sessions"] == len(each["connections"])


@pytest.mark.parametrize("name", SAMPLES)
def test_the_numbers_of_a_sample_add_up_without_a_key(name: str) -> None:
    told = json.loads(run(CAPTURES / name, "--explain", "--format", "json").stdout)
    assert_adds_up(told["explain"])
    assert told["explain"]["sessions"] == told["summary"]["tls"]
    assert told["explain"]["verdicts"] == told["summary"]["verdicts"]


@pytest.mark.parametrize(
    "name",
    [
        "exchange.pcapng", "gnutls-rsa.pcap", "nss-tls12-rsa.pcap", "openssl-child-first.pcap",
        "openssl-resumed-by-id.pcap", "openssl-resumed-by-ticket.pcap", "starttls.pcap", "gnutls-raw-public-key.pcap",
    ],
)  # fmt: skip
def test_the_certificate_that_is_named_opens_just_the_sessions_that_are_promised(name: str) -> None:
    promised = json.loads(run(CAPTURES / name, "--explain", "--format", "json").stdout)["explain"]["would_open"]
    environment = {"TLSDECRYPT_PASSWORD": PASSWORD}
    with_key = (CAPTURES / name, "--pfx", KEYS / "mail-password.pfx", "--explain", "--format", "json")
    told = json.loads(run(*with_key, env=environment).stdout)
    by_certificate = [each for each in promised if each["secret"] == "private-key"]
    assert len(by_certificate) == 1
    assert by_certificate[0]["certificate"]["spki_sha256"] == told["keys"][0]["spki_sha256"]
    assert by_certificate[0]["connections"] == told["keys"][0]["connections"]
    assert told["explain"]["would_open"] == [each for each in promised if each["secret"] != "private-key"]


def test_without_a_key_the_status_is_that_of_a_capture_that_stayed_closed() -> None:
    result = run(CAPTURES / "exchange.pcapng", "--explain")
    assert result.exit_code == 3
    assert "Connection 1 " not in result.stdout
    assert "12 x  private key (--pfx or --key)  of CN=mail.contoso.com" in result.stdout


def test_json_has_an_explanation_only_where_it_is_asked_for(tmp_path: Path) -> None:
    capture = CAPTURES / "openssl-resumed-by-id.pcap"
    asked = run(capture, "--explain", "--format", "jsonl", "-o", tmp_path / "a.json", "-o", tmp_path / "a.txt").stdout
    streamed = run(capture, "--explain", "--format", "jsonl").stdout
    whole = json.loads((tmp_path / "a.json").read_text())["explain"]
    assert json.loads(asked.splitlines()[-1])["explain"] == json.loads(streamed.splitlines()[-1])["explain"] == whole
    assert "What would open more" in (tmp_path / "a.txt").read_text()
    for form in ("json", "jsonl"):
        assert '"explain"' not in run(capture, "--format", form).stdout


@pytest.mark.parametrize(
    ("suite", "changed", "means"),
    [
        ("TLS_RSA_WITH_AES_128_CBC_SHA", {}, Means.PRIVATE_KEY),
        ("SSL_CK_RC4_128_WITH_MD5", {}, Means.PRIVATE_KEY),
        ("SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA", {}, Means.PRIVATE_KEY),
        ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", {}, Means.PRIVATE_KEY),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", {}, Means.PRIVATE_KEY),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", {"key_exchange_group": "RSA 512 bits"}, Means.KEY_LOG),
        (ECDHE, {"key_exchange_group": "x25519"}, Means.KEY_LOG),
        ("TLS_DH_anon_WITH_AES_128_CBC_SHA", {}, Means.KEY_LOG),
        ("TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA", {}, Means.KEY_LOG),
        ("TLS_PSK_WITH_AES_128_GCM_SHA256", {}, Means.PRE_SHARED_KEY),
        ("TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA", {}, Means.KEY_LOG),
        ("TLS_RSA_PSK_WITH_AES_128_GCM_SHA256", {}, Means.PRIVATE_AND_PRE_SHARED_KEY),
        ("TLS_AES_128_GCM_SHA256", {"key_exchange_group": "x25519"}, Means.KEY_LOG),
        ("TLS_AES_128_GCM_SHA256", {"resumption": "psk", "key_exchange_group": "x25519"}, Means.KEY_LOG),
        ("TLS_AES_128_GCM_SHA256", {"resumption": "psk"}, Means.PRE_SHARED_KEY),
        ("TLS_RSA_WITH_NULL_SHA", {}, Means.NOTHING_NEEDED),
        ("UNKNOWN_0xFFFE", {}, Means.UNKNOWN),
        (None, {}, Means.UNKNOWN),
    ],
)
def test_the_key_exchange_says_what_opens_a_session(suite: str | None, changed: dict[str, Any], means: Means) -> None:
    assert means_of(session(cipher_suite=suite, **changed)) is means


def test_the_secret_that_opens_most_comes_first() -> None:
    other = closed(server_certificates=(OTHER,))
    assert wanted(closed("forward-secrecy", **TLS13), closed(), other, other, other, closed()) == [
        ("private-key", (3, 4, 5)),
        ("private-key", (2, 6)),
        ("key-log", (1,)),
    ]


def test_certificates_with_one_key_are_one_secret() -> None:
    renewed = replace(CERTIFICATE, sha1_thumbprint="DD" * 20, serial="0a1c")
    assert wanted(closed(), closed(server_certificates=(renewed,))) == [("private-key", (1, 2))]


def test_a_session_that_resumes_is_counted_with_the_certificate_of_its_full_handshake() -> None:
    full = closed(issued_ticket="t1")
    again = resumed("ticket", session_id="01", resumed_ticket="t1", issued_ticket="t2")
    and_again = resumed("ticket", session_id="02", resumed_ticket="t2")
    by_id = resumed("session_id")
    (opener,) = explain(analysis_of(and_again, full, again, by_id)).openers
    assert (opener.means, opener.connections, opener.resumed) == (Means.PRIVATE_KEY, (1, 2, 3, 4), 3)


@pytest.mark.parametrize(
    "orphan",
    [
        resumed("session_id", session_id="77"),
        resumed("session_id", session_id=None),
        resumed("ticket", resumed_ticket="t9"),
        resumed("ticket", resumed_ticket="t9", issued_ticket="t9"),
        resumed("psk", **TLS13),
    ],
    ids=["session id", "no session id", "ticket", "its own ticket", "PSK of TLS 1.3"],
)
def test_a_session_whose_full_handshake_was_not_seen_needs_a_key_log(orphan: TlsSession) -> None:
    assert wanted(closed(), orphan) == [("private-key", (1,)), ("key-log", (2,))]


def test_a_session_that_resumes_one_with_forward_secrecy_needs_a_key_log() -> None:
    full = closed("forward-secrecy", cipher_suite=ECDHE, issued_ticket="t1")
    assert wanted(full, resumed("ticket", resumed_ticket="t1")) == [("key-log", (1, 2))]


def test_a_key_that_was_given_and_opened_nothing_is_not_asked_for() -> None:
    given = KeyFacts("keys/mail.pfx", "RSA 2048 bits", None, SPKI)
    assert wanted(closed("no-secret"), closed("wrong-key"), keys=(given,)) == [("key-log", (1, 2))]
    assert wanted(closed("no-secret")) == [("private-key", (1,))]


def test_of_two_secrets_only_the_one_that_lacks_is_asked_for() -> None:
    suite = "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256"
    given = KeyFacts("keys/mail.pfx", "RSA 2048 bits", None, SPKI)
    lacks_psk, lacks_key = closed("no-secret", cipher_suite=suite), closed("no-key", cipher_suite=suite)
    assert wanted(lacks_psk) == [("private-key-and-pre-shared-key", (1,))]
    assert wanted(lacks_psk, keys=(given,)) == [("pre-shared-key", (1,))]
    assert wanted(lacks_key) == [("private-key", (1,))]


def test_a_certificate_that_was_not_captured_is_asked_for_by_its_server() -> None:
    (opener,) = explain(analysis_of(closed(server_certificates=(), server_name=None))).openers
    assert (opener.means, opener.certificate, opener.servers) == (Means.PRIVATE_KEY, None, ("198.51.100.20:443",))


def test_what_lacks_frames_or_failed_is_not_promised_to_anybody() -> None:
    codes = ("handshake-missing", "handshake-failed", "truncated", "unsupported-suite", "malformed", "truncated")
    explanation = explain(analysis_of(*map(closed, codes)))
    assert explanation.openers == ()
    assert (explanation.beyond[0].code, explanation.beyond[0].connections) == ("truncated", (3, 6))
    assert sum(len(each.connections) for each in explanation.beyond) == len(codes)


def test_clear_text_and_opened_sessions_ask_for_nothing(redactor: Redactor) -> None:
    explanation = explain(analysis_of(None, session(), session(resumed=True, resumption="ticket")))
    assert (explanation.sessions, explanation.opened, explanation.openers) == (2, (2, 3), ())
    assert_adds_up(explain_document(explanation, redactor))


def test_the_mixed_sample_adds_up(analysis: Analysis, redactor: Redactor) -> None:
    told = explain_document(explain(analysis), redactor)
    assert_adds_up(told)
    assert (told["sessions"], told["opened"]) == (5, 2)


def painted(analysis: Analysis, redactor: Redactor) -> str:
    return written(TextWriter(Manner(redactor, is_explained=True)), analysis).decode()


def test_a_client_whose_key_log_opens_most_stands_first(redactor: Redactor) -> None:
    made = analysis_of(*[closed("forward-secrecy", **TLS13)] * 3)
    first = replace(made.conversations[0], client=Endpoint("192.0.2.99", 50_000))
    text = painted(replace(made, conversations=(first, *made.conversations[1:])), redactor)
    assert "or by its clients 192.0.2.10 (2), 192.0.2.99 (1)" in text


def test_what_is_not_told_one_by_one_is_counted(redactor: Redactor) -> None:
    servers = [closed("forward-secrecy", **TLS13, server_name=f"s{number}.example") for number in range(MAX_GROUPS + 3)]
    text = painted(analysis_of(*servers, servers[0]), redactor)
    assert f"s{MAX_GROUPS - 1}.example" in text
    assert f"s{MAX_GROUPS}.example" not in text
    assert "3 sessions of 3 more secrets" in text


def test_a_capture_without_tls_says_so_and_no_more(redactor: Redactor, empty_analysis: Analysis) -> None:
    text = painted(empty_analysis, redactor)
    assert text.endswith("0 connections, 0 with TLS\n")
    assert explain(empty_analysis) == Explanation(0, (), {}, (), {}, (), ())


def test_hostile_names_neither_reach_a_terminal_nor_show_a_secret(redactor: Redactor) -> None:
    redactor.learn("Tr0ub4dor3-marker")
    hostile = "\x1b[31mTr0ub4dor3-marker"
    facts = replace(CERTIFICATE, subject=f"CN={hostile}", names=(hostile,) * 200)
    made = analysis_of(
        closed(server_certificates=(facts,)),
        closed("forward-secrecy", **TLS13, server_name=hostile),
        session(key=None, verdict=Verdict(VerdictCode.MALFORMED, f"not readable as TLS: {hostile}")),
    )
    told = json.dumps(explain_document(explain(made), redactor))
    text = painted(made, redactor)
    for output in (told, text):
        assert "\x1b" not in output
        assert "Tr0ub4dor3" not in output
        assert "<masked:password" in output
    assert "and 192 more" in text
