"""SMTP, POP3 and IMAP in documents: the names of the contract, and one line a command in the text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import run
from packets import Scene
from smtp_dialogues import BANNER, MODERN, QUIT, hello, mail, talk

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = [
    "C: AUTH LOGIN",
    "S: 334 VXNlcm5hbWU6",
    "C: YXZlcnk=",
    "S: 334 UGFzc3dvcmQ6",
    "C: VHIwdWI0ZG9y",
    "S: 235 2.7.0 ok",
]
SESSION = [BANNER, *hello(*MODERN), *LOGIN, *mail("avery@contoso.local", "kim@fabrikam.com"), *QUIT]
POP3 = ["S: +OK POP3 ready", "C: USER avery", "S: +OK", "C: PASS Tr0ub4dor", "S: -ERR Logon failure", "C: STAT"]


def written(folder: Path, *lines: str, port: int = 25) -> str:
    scene = Scene()
    scene.dialogue(talk(*lines), port=port)
    path = folder / "scene.pcap"
    path.write_bytes(scene.pcap())
    return str(path)


def exchanges(path: str, *options: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(run(path, "--format", "json", *options).stdout)["connections"][0][
        "exchanges"
    ]
    return told


def test_an_exchange_of_smtp_has_the_names_of_the_contract(tmp_path: Path) -> None:
    greeting, ehlo, login, sender, _, data, _ = exchanges(written(tmp_path, *SESSION))
    assert greeting["request"] is None
    assert greeting["response"]["code"] == 220
    assert ehlo["request"]["verb"] == "EHLO"
    assert ehlo["request"]["line"] == "EHLO EXC1.contoso.local"
    assert ehlo["response"]["lines"] == ["SVR01.contoso.local Hello", *MODERN]
    assert ehlo["response"]["enhanced"] is None
    assert {key: sender["response"][key] for key in ("code", "enhanced", "lines")} == {
        "code": 250,
        "enhanced": "2.1.0",
        "lines": ["2.1.0 Sender OK"],
    }
    assert data["protocol"] == "smtp"
    assert data["request"]["content_length"] == len("From: <avery@contoso.local>\r\n\r\nhello\r\n")
    assert [each["code"] for each in login["response"]["interim"]] == [334, 334]
    assert login["response"]["interim"][0]["lines"] == ["VXNlcm5hbWU6"]
    assert all(each.startswith("<masked:token") for each in login["request"]["answers"])
    assert login["annotations"]["smtp"]["user"] == "avery"


def test_with_show_secrets_tokens_are_as_they_were_sent(tmp_path: Path) -> None:
    login = exchanges(written(tmp_path, *SESSION), "--show-secrets")[2]
    assert login["request"]["answers"] == ["YXZlcnk=", "VHIwdWI0ZG9y"]


def test_the_text_has_one_line_a_command(tmp_path: Path) -> None:
    shown = run(written(tmp_path, *SESSION)).stdout
    lines = [line.strip() for line in shown[shown.index("Connection 1") :].splitlines()]
    told = [line.partition(" s  ")[2] for line in lines if line.startswith("+")]
    assert [re.sub(r"(?:  [\d.]+ m?s)?  #.*", "", line) for line in told] == [
        "(greeting)  220 SVR01.contoso.local Microsoft ESMTP MA...2011 14:10:24 +0800",
        "EHLO EXC1.contoso.local  250 SVR01.contoso.local Hello (and 8 more lines)",
        "AUTH LOGIN  235 2.7.0 ok",
        "MAIL FROM:<avery@contoso.local>  250 2.1.0 Sender OK",
        "RCPT TO:<kim@fabrikam.com>  250 2.1.5 Recipient OK",
        "DATA  250 2.6.0 <1@a> [InternalId=7] Queued mail for delivery  38 B up",
        "QUIT  221 2.0.0 Service closing transmission channel",
    ]
    assert any(line.startswith("message from <avery@contoso.local> to kim@fabrikam.com, 38 bytes") for line in lines)


def test_verbose_text_has_every_line_of_a_reply(tmp_path: Path) -> None:
    shown = run(written(tmp_path, *SESSION), "--verbose").stdout
    assert "< STARTTLS" in shown
    assert "< 334 VXNlcm5hbWU6" in shown
    assert "> <masked:token" in shown


@pytest.mark.parametrize("options", [(), ("--verbose",)])
def test_pop3_is_told_in_the_same_way(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = written(tmp_path, *POP3, port=110)
    shown = run(path, *options).stdout
    assert "PASS <masked:password" in shown
    assert "-ERR Logon failure" in shown
    assert "STAT  no answer seen" in shown
    told = exchanges(path)
    assert [each["response"] and each["response"]["result"] for each in told] == ["+OK", "+OK", "-ERR", None]
