"""The command line: every status of the contract, one sentence for whatever is wrong, and documents that are whole."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_capture
from click.testing import CliRunner
from sample_conversations import SECRET, conversation, session

from tlsdecrypt import cli, pipeline
from tlsdecrypt.conversation import Analysis
from tlsdecrypt.report.outputs import Report
from tlsdecrypt.tls.verdict import Verdict, VerdictCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

ROOT = Path(__file__).resolve().parents[1]
KEYS = ROOT / "keys"
PASSWORD = (KEYS / "mail.password").read_text().strip()
TEXT_FILE = "This is no capture, and no key.\n"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TLSDECRYPT_PASSWORD", "TLSDECRYPT_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a capture of one clear HTTP exchange, and things that are none."""
    (tmp_path / "clear.pcap").write_bytes(tiny_capture.pcap())
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text(TEXT_FILE)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def capture(folder: Path) -> str:
    return str(folder / "clear.pcap")


def run(*arguments: str | Path, **extra: Any) -> Result:
    """The command in this process."""
    return CliRunner().invoke(cli.main, [str(each) for each in arguments], prog_name="tlsdecrypt", **extra)


def spawn(*arguments: str | Path, **extra: Any) -> subprocess.CompletedProcess[bytes]:
    """The command as a program of its own."""
    command = [sys.executable, "-m", "tlsdecrypt", *map(str, arguments)]
    return subprocess.run(command, capture_output="stdout" not in extra, timeout=60, check=False, **extra)


def assert_refused(result: Result, *words: str | Path) -> None:
    """Status 2, one sentence on standard error that has these words, and nothing else."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("tlsdecrypt: ")
    assert result.stderr.count("\n") == 1
    assert [word for word in map(str, words) if word not in result.stderr] == []


# What it writes


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


# What is wrong with the input


@pytest.mark.parametrize("name", ["empty", "text", "out", "missing.pcap"])
def test_what_is_no_capture_is_refused_in_one_sentence(folder: Path, name: str) -> None:
    assert_refused(run(folder / name), folder / name)


def test_control_characters_in_a_name_are_made_visible(folder: Path) -> None:
    result = run(folder / "\x1b[2Jx.pcap")
    assert "\x1b" not in result.stderr
    assert_refused(result, r"\x1b[2Jx.pcap")


def test_one_unreadable_capture_does_not_hide_the_others(capture: str, folder: Path) -> None:
    result = run(capture, folder / "missing.pcap", "--format", "json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["summary"]["connections"] == 1
    assert result.stderr.count("\n") == 1
    assert "missing.pcap" in result.stderr


def test_of_several_unreadable_captures_each_is_named(folder: Path) -> None:
    result = run(folder / "text", folder / "missing.pcap")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [name in line for name, line in zip(("text", "missing.pcap"), result.stderr.splitlines(), strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("option", ["--pfx", "--key", "--keylog", "--keys"])
def test_a_missing_key_file_is_refused(capture: str, folder: Path, option: str) -> None:
    assert_refused(run(capture, option, folder / "absent"), folder / "absent")


@pytest.mark.parametrize("option", ["--pfx", "--key", "--keylog"])
@pytest.mark.parametrize("name", ["text", "out"])
def test_a_file_that_holds_no_key_is_refused(capture: str, folder: Path, option: str, name: str) -> None:
    assert_refused(run(capture, option, folder / name), folder / name)


def test_a_certificate_without_its_key_is_refused(capture: str) -> None:
    name = KEYS / "mail-certificate-only.pfx"
    assert_refused(run(capture, "--pfx", name, env={"TLSDECRYPT_PASSWORD": PASSWORD}), name)


def test_a_psk_that_is_not_hexadecimal_is_refused_without_being_quoted(capture: str) -> None:
    result = run(capture, "--psk", f"me:{SECRET}")
    assert_refused(result)
    assert SECRET not in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("x.pcap", "--frobnicate"),
        ("x.pcap", "--port", "0"),
        ("x.pcap", "--format", "xml"),
        ("x.pcap", "--jobs", "0"),
        ("-", "-"),
        ("/nowhere/*.pcap",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_sentence(wrong: tuple[str, ...]) -> None:
    assert_refused(run(*wrong))


# Passwords


def test_the_password_comes_from_the_environment(capture: str) -> None:
    assert run(capture, "--pfx", KEYS / "mail.pfx", env={"TLSDECRYPT_PASSWORD": PASSWORD}).exit_code == 0
    assert_refused(
        run(capture, "--pfx", KEYS / "mail.pfx", env={"TLSDECRYPT_PASSWORD": "wrong"}), "mail.pfx", "password"
    )


def test_each_line_of_the_password_file_is_tried(capture: str, folder: Path) -> None:
    passwords = folder / "passwords"
    passwords.write_text(f"\ufeffwrong\r\n{PASSWORD}\r\n")
    assert run(capture, "--pfx", KEYS / "mail.pfx", "--password-file", passwords).exit_code == 0


def test_the_password_file_goes_before_the_environment(capture: str, folder: Path) -> None:
    (folder / "passwords").write_text("wrong\n")
    result = run(
        capture, "--pfx", KEYS / "mail.pfx", "--password-file", folder / "passwords",
        env={"TLSDECRYPT_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert_refused(result, "mail.pfx")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_password_file_that_cannot_be_read_is_refused(capture: str, folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "passwords").write_bytes(content)
    assert_refused(run(capture, "--pfx", KEYS / "mail.pfx", "--password-file", folder / "passwords"), "passwords")


def test_without_a_password_and_a_terminal_the_remedy_is_named(capture: str) -> None:
    result = run(capture, "--pfx", KEYS / "mail.pfx")
    assert_refused(result, "mail.pfx", "--password-file")
    assert PASSWORD not in result.stderr


def test_a_person_at_a_terminal_is_asked(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str, **how: Any) -> str:
        assert how["hide_input"]
        asked.append(prompt)
        return PASSWORD

    monkeypatch.setattr("click.prompt", answer)
    monkeypatch.setattr(cli, "_is_attended", lambda: True)
    assert run(capture, "--pfx", KEYS / "mail.pfx").exit_code == 0
    assert len(asked) == 1
    assert "mail.pfx" in asked[0]


# Outputs that cannot be written


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.docx", ".txt, .json, .jsonl"),
        ("report", ".txt, .json, .jsonl"),
        ("absent/report.json", "no folder"),
        ("folder.json", "is a folder"),
        ("there.json", "--force"),
        ("clear.txt", "input"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(folder: Path, name: str, words: str) -> None:
    (folder / "folder.json").mkdir()
    (folder / "there.json").write_text("kept")
    (folder / "clear.txt").write_bytes(tiny_capture.pcap())
    force = ("--force",) if name == "clear.txt" else ()
    assert_refused(run(folder / "clear.txt", "-o", folder / name, *force), folder / name, words)
    assert (folder / "there.json").read_text() == "kept"


def test_an_output_given_twice_is_refused(capture: str, folder: Path) -> None:
    assert_refused(run(capture, "-o", folder / "a.json", "-o", folder / "a.json"), "twice")


def test_force_overwrites(capture: str, folder: Path) -> None:
    (folder / "there.json").write_text("old")
    assert run(capture, "-o", folder / "there.json", "--force").exit_code == 0
    assert json.loads((folder / "there.json").read_text())["schema"] == "tlsdecrypt/1"


def test_a_full_disk_leaves_no_half_written_file(capture: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_report: Report, _form: str, stream: Any) -> None:
        stream.write(b"{")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Report, "write", fail)
    (folder / "there.json").write_text("old")
    assert_refused(run(capture, "-o", folder / "there.json", "--force"), "there.json", "No space left")
    assert (folder / "there.json").read_text() == "old"
    assert sorted(each.name for each in folder.iterdir()) == ["clear.pcap", "empty", "out", "text", "there.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_sentence(capture: str) -> None:
    with Path("/dev/full").open("wb") as full:
        result = spawn(capture, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"standard output" in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_reader_that_goes_away_ends_it_quietly(capture: str, form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = spawn(capture, "--format", form, stdout=closed, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (cli.PIPE_CLOSED, b"")


# Faults and interrupts


def fail(*_: Any) -> Iterator[Any]:
    raise RuntimeError(SECRET)


def test_a_fault_of_the_program_is_one_sentence(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.Pipeline, "conversations", fail)
    result = run(capture)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "report" in result.stderr
    assert "RuntimeError" in result.stderr
    assert SECRET not in result.stderr


def test_a_variable_shows_where_the_fault_happened(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.Pipeline, "conversations", fail)
    assert "Traceback" in run(capture, env={"TLSDECRYPT_DEBUG": "1"}).stderr


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_what_was_finished_before_an_interrupt_is_told(
    capture: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def interrupted(_: pipeline.Pipeline) -> Iterator[Any]:
        yield conversation(1, session())
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.Pipeline, "conversations", interrupted)
    result = run(capture, "--format", form)
    assert result.exit_code == 130
    assert "192.0.2.10" in result.stdout
    assert "interrupted" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_interrupted_program_ends_with_130_and_one_sentence() -> None:
    command = [sys.executable, "-m", "tlsdecrypt", "-", "--format", "json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(tiny_capture.pcap()[:100])
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=30)
    assert process.returncode == 130, complaints
    assert complaints.count(b"\n") == 1
    assert json.loads(output)["schema"] == "tlsdecrypt/1"


# Exit statuses


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
    assert cli.exit_status(analysis, is_strict=False) == status
    assert cli.exit_status(analysis, is_strict=True) == strict_status


# Help, version, start


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
