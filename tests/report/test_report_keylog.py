"""The key log that a run writes opens just what the run opened, to tlsdecrypt and to tshark."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD, run
from sample_cases import CASES, ROOT, name_of
from sample_cases import run as analysed
from telling import written

from tlsdecrypt import analyze
from tlsdecrypt.findings.finding import Confidence, Finding, Severity
from tlsdecrypt.report.choice import Choice
from tlsdecrypt.report.keylog_writer import KeyLogWriter
from tlsdecrypt.report.writer import Manner
from tlsdecrypt.tls.secrets import SecretStore
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from pathlib import Path

    from tlsdecrypt.conversation import Analysis
    from tlsdecrypt.redact import Redactor

EXCHANGE = ROOT / "captures" / "exchange.pcapng"
FIELDS = ("-T", "fields", "-e", "frame.number", "-e", "http.request.method", "-e", "http.request.uri")


def key_log(analysis: Analysis, redactor: Redactor, choice: Choice | None = None) -> tuple[bytes, list[str]]:
    manner = Manner(redactor, choice=choice or Choice())
    return written(KeyLogWriter(manner), analysis), manner.notes


def told(analysis: Analysis) -> list[Any]:
    """What was read, without what says which key opened it."""
    return [(each.application_data, each.exchanges, each.tls and each.tls.version) for each in analysis.conversations]


@pytest.mark.parametrize("case", [each for each in CASES if not each["refused"]], ids=name_of)
def test_what_it_holds_opens_the_same_again(case: dict[str, Any], redactor: Redactor) -> None:
    first = analysed(case)
    store = SecretStore()
    store.add_keylog(key_log(first, redactor)[0], "made.keylog")
    second = analyze([str(ROOT / case["capture"])], store)
    opened = [each.tls.version for each in first.conversations if each.tls and each.is_decrypted]
    if "SSLv2" in opened:
        pytest.skip("sessions of SSL 2.0 have no form in a key log")
    assert told(second) == told(first)


@pytest.fixture(scope="module")
def exchange() -> Analysis:
    case = next(each for each in CASES if each["capture"] == "captures/exchange.pcapng" and each["keys"])
    return analysed(case)


def sessions_of(text: bytes) -> list[int]:
    return [int(line.split()[2].strip(b",")) for line in text.splitlines() if line.startswith(b"# connection ")]


def test_sessions_are_chosen_by_their_numbers(exchange: Analysis, redactor: Redactor) -> None:
    choice = Choice(connections=(3, 999))
    text, _ = key_log(exchange, redactor, choice)
    assert sessions_of(text) == [3]
    assert text.count(b"CLIENT_RANDOM ") == 1
    assert choice.notes(exchange) == ["there is no connection 999"]
    assert choice.refusal(exchange) is None


def test_sessions_are_chosen_by_findings_on_them(exchange: Analysis, redactor: Redactor) -> None:
    finding = Finding("made.up", Severity.ERROR, Confidence.CERTAIN, "", "", (), connections=(2, 4))
    other = replace(finding, rule="other", connections=(5,))
    analysis = replace(exchange, findings=(finding, other))
    choice = Choice(rules=("made.*", "absent"))
    text, _ = key_log(analysis, redactor, choice)
    assert sessions_of(text) == [2, 4]
    assert choice.notes(analysis) == ["no finding of absent"]
    assert choice.refusal(analysis) is None


def test_a_session_that_was_not_opened_is_named(exchange: Analysis, redactor: Redactor) -> None:
    closed = next(each for each in exchange.conversations if each.tls and not each.is_decrypted)
    text, notes = key_log(exchange, redactor, Choice(connections=(3, closed.id)))
    assert sessions_of(text) == [3]
    assert notes == [f"connection {closed.id} was not opened: there are no secrets of it"]


def test_secrets_are_in_no_repr(exchange: Analysis) -> None:
    (secret,) = next(each.tls.secrets for each in exchange.conversations if each.tls and each.is_decrypted)
    for value in (secret, exchange, exchange.conversations):
        assert secret.secret.hex() not in repr(value)
        assert repr(secret.secret)[2:-1] not in repr(value)


def test_only_its_owner_may_read_the_file_and_one_sentence_warns(tmp_path: Path) -> None:
    path = tmp_path / "made.keylog"
    keys = ("--pfx", KEYS / "mail-password.pfx")
    result = run(EXCHANGE, *keys, "-o", path, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert result.stderr == f"tlsdecrypt: {path} will hold the secrets of sessions: whoever has it can read them\n"
    assert path.read_bytes().count(b"CLIENT_RANDOM ") > 5
    assert b"PRIVATE" not in path.read_bytes()


def test_no_document_that_is_handed_on_holds_what_opens_a_session(exchange: Analysis, tmp_path: Path) -> None:
    outputs = [tmp_path / f"report{suffix}" for suffix in (".txt", ".json", ".jsonl")]
    options = [option for each in outputs for option in ("-o", each)]
    run(EXCHANGE, "--pfx", KEYS / "mail-password.pfx", "--verbose", *options, env={"TLSDECRYPT_PASSWORD": PASSWORD})
    secrets = [each.secret.hex() for one in exchange.conversations if one.tls for each in one.tls.secrets]
    for path in outputs:
        assert [each for each in secrets if each in path.read_text()] == []


def test_tshark_reads_the_same_requests_with_it(exchange: Analysis, redactor: Redactor, tmp_path: Path) -> None:
    path = tmp_path / "made.keylog"
    path.write_bytes(key_log(exchange, redactor)[0])

    def requests(*preferences: str) -> bytes:
        command = ["tshark", "-n", "-r", str(EXCHANGE), *preferences, "-Y", "tls && http.request", *FIELDS]
        return subprocess.run(command, capture_output=True, check=True).stdout

    with_key = requests("-o", f'uat:rsa_keys:"{KEYS / "mail-password.pfx"}","{PASSWORD}"')
    assert with_key.count(b"\n") > 10
    assert requests("-o", f"tls.keylog_file:{path}") == with_key


def test_a_key_log_of_nothing_says_so(empty_analysis: Analysis, redactor: Redactor) -> None:
    text, notes = key_log(empty_analysis, redactor)
    assert [line for line in text.splitlines() if not line.startswith(b"#")] == []
    assert notes == ["no session was opened: there are no secrets to hand on"]
