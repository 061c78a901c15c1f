"""The command line: its documents, its statuses, its help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import tiny_capture
from cli_runs import run, spawn
from sample_conversations import SECRET, conversation, session

from tlsdecrypt import cli
from tlsdecrypt.conversation import Analysis
from tlsdecrypt.tls.verdict import Verdict, VerdictCode

if TYPE_CHECKING:
    from tlsdecrypt.arguments import Arguments


def test_a_clear_exchange_is_told_and_there_was_nothing_to_decrypt(capture: str) -> None:
    result = run(capture)
    assert result.exit_code == 0, result.output
    assert "302 Found" in result.stdout
    assert "192.0.2.10:50001 -> 198.51.100.20:80" in result.stdout
    assert result.stderr == ""


def test_json_is_one_document(capture: str) -> None:
    result = run(capture, "--format", "json")
    told = json.loads(result.stdout)
    assert (told["schema"], told["summary"]["connections"]) == ("tlsdecrypt/1", 1)
    assert told["connections"][0]["exchanges"][0]["response"]["status"] == 302


def test_json_lines_are_streamed_and_end_with_the_summary(capture: str) -> None:
    first, last = map(json.loads, run(capture, "--format", "jsonl").stdout.splitlines())
    assert first["exchanges"][0]["request"]["method"] == "GET"
    assert last["summary"]["connections"] == 1


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_secrets_are_masked_unless_asked_for(capture: str, form: str) -> None:
    masked, shown = (run(capture, "--format", form, "--verbose", *more) for more in ((), ("--show-secrets",)))
    assert SECRET not in masked.output
    assert SECRET in shown.stdout
    assert (masked.stderr.count("\n"), shown.stderr.count("\n")) == (0, 1)


def test_one_run_writes_all_outputs(capture: str, folder: Path) -> None:
    names = [folder / "out" / f"report.{suffix}" for suffix in ("txt", "json", "jsonl", "JSON")]
    result = run(capture, *(word for name in names for word in ("-o", name)))
    assert result.exit_code == 0, result.output
    assert names[0].read_text() == result.stdout
    assert json.loads(names[1].read_text()) == json.loads(names[3].read_text())
    assert len(names[2].read_text().splitlines()) == 2
    assert len(list((folder / "out").iterdir())) == 4


def test_standard_input_is_a_capture(capture: str) -> None:
    result = spawn("-", "--format", "json", input=Path(capture).read_bytes())
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["summary"]["frames"] == 8


def test_a_pattern_that_the_shell_left_alone_is_expanded(folder: Path) -> None:
    (folder / "clear2.pcap").write_bytes(tiny_capture.pcap())
    told = json.loads(run(folder / "clear*.pcap", "--format", "json").stdout)
    assert [Path(each["path"]).name for each in told["captures"]] == ["clear.pcap", "clear2.pcap"]


def test_connections_are_chosen_by_host_and_port(capture: str) -> None:
    counts = [
        json.loads(run(capture, "--format", "json", *chosen).stdout)["summary"]["connections"]
        for chosen in (("--host", "192.0.2.10"), ("--host", "192.0.2.99"), ("--port", "80"), ("--port", "443"))
    ]
    assert counts == [1, 0, 1, 0]


def test_a_cut_capture_tells_what_stands_before_the_cut_and_says_so(capture: str) -> None:
    whole = Path(capture).read_bytes()
    Path(capture).write_bytes(whole[:-10])
    result = run(capture, "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["summary"]["frames"] == 7
    assert "frame 8" in result.stderr
    assert result.stderr.count("\n") == 1
    assert run(capture, "--format", "json", "--quiet").stderr == ""


def analysis_of(*codes: str) -> Analysis:
    """An analysis whose TLS connections have these verdicts."""
    sessions = [session(verdict=Verdict(VerdictCode(code), "Said.")) for code in codes]
    conversations = tuple(conversation(number, each) for number, each in enumerate(sessions, 1))
    return Analysis((), (), (*conversations, conversation(99, None)), frames=0, other_frames={})


@pytest.mark.parametrize(
    ("codes", "status", "strict_status"),
    [
        ((), 0, 0),
        (("decrypted",), 0, 0),
        (("decrypted", "forward-secrecy"), 0, 3),
        (("partly-decrypted",), 0, 3),
        (("forward-secrecy", "no-key"), 3, 3),
        (("handshake-failed",), 0, 0),
        (("handshake-failed", "no-key"), 3, 3),
        (("handshake-failed", "decrypted"), 0, 0),
    ],
)
def test_the_status_says_what_was_decrypted(codes: tuple[str, ...], status: int, strict_status: int) -> None:
    analysis = analysis_of(*codes)
    for is_strict, expected in ((False, status), (True, strict_status)):
        given = cast("Arguments", SimpleNamespace(strict=is_strict, fail_on=None))
        assert cli.exit_status(analysis, given) == expected


def test_help_has_examples_and_the_exit_statuses() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "tlsdecrypt capture.pcapng --pfx mail.pfx" in result.stdout
    assert "Exit status:" in result.stdout


def test_the_version_is_that_of_the_package() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("tlsdecrypt ")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom tlsdecrypt.cli import main\n"
        "try:\n    main(['--help'])\nfinally:\n    print(sorted(HEAVY & sys.modules.keys()), file=sys.stderr)\n"
    ).replace("HEAVY", "{'numpy', 'cryptography', 'lxml', 'rich', 'tqdm', 'dpkt', 'orjson', 'zstandard', 'brotli'}")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert result.stderr == b"[]\n"
