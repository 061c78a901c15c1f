"""Whatever is wrong with captures, keys, passwords or usage is one sentence, and exit status 2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import KEYS, PASSWORD, assert_refused, run
from sample_conversations import SECRET

from tlsdecrypt import cli

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("option", ["--pfx", "--key", "--keylog", "--ticket-key", "--keys"])
def test_a_missing_key_file_is_refused(capture: str, folder: Path, option: str) -> None:
    assert_refused(run(capture, option, folder / "absent"), folder / "absent")


@pytest.mark.parametrize("option", ["--pfx", "--key", "--keylog", "--ticket-key"])
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


def test_the_password_comes_from_the_environment(capture: str) -> None:
    assert run(capture, "--pfx", KEYS / "mail-password.pfx", env={"TLSDECRYPT_PASSWORD": PASSWORD}).exit_code == 0
    assert_refused(
        run(capture, "--pfx", KEYS / "mail-password.pfx", env={"TLSDECRYPT_PASSWORD": "wrong"}),
        "mail-password.pfx",
        "password",
    )


def test_each_line_of_the_password_file_is_tried(capture: str, folder: Path) -> None:
    passwords = folder / "passwords"
    passwords.write_text(f"\ufeffwrong\r\n{PASSWORD}\r\n")
    assert run(capture, "--pfx", KEYS / "mail-password.pfx", "--password-file", passwords).exit_code == 0


def test_the_password_file_goes_before_the_environment(capture: str, folder: Path) -> None:
    (folder / "passwords").write_text("wrong\n")
    result = run(
        capture, "--pfx", KEYS / "mail-password.pfx", "--password-file", folder / "passwords",
        env={"TLSDECRYPT_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert_refused(result, "mail-password.pfx")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_password_file_that_cannot_be_read_is_refused(capture: str, folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "passwords").write_bytes(content)
    assert_refused(
        run(capture, "--pfx", KEYS / "mail-password.pfx", "--password-file", folder / "passwords"), "passwords"
    )


def test_without_a_password_and_a_terminal_the_remedy_is_named(capture: str) -> None:
    assert_refused(run(capture, "--pfx", KEYS / "mail-password.pfx"), "mail-password.pfx", "--password-file")


def test_a_wrong_password_is_not_called_missing(capture: str) -> None:
    result = run(capture, "--pfx", KEYS / "mail-password.pfx", env={"TLSDECRYPT_PASSWORD": SECRET})
    assert_refused(result, "does not open")
    assert SECRET not in result.stderr


def test_a_person_at_a_terminal_is_asked(capture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str, **how: Any) -> str:
        assert how["hide_input"]
        asked.append(prompt)
        return PASSWORD

    monkeypatch.setattr("click.prompt", answer)
    monkeypatch.setattr(cli, "_is_attended", lambda: True)
    assert run(capture, "--pfx", KEYS / "mail-password.pfx").exit_code == 0
    assert len(asked) == 1
    assert "mail-password.pfx" in asked[0]
