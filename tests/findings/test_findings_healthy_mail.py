"""The sample of healthy mail: every command is told as tshark tells it, and nothing is found."""

from __future__ import annotations

import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tlsdecrypt

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

ROOT = Path(__file__).resolve().parents[2]
CAPTURE, KEY = ROOT / "captures" / "mail.pcap", ROOT / "keys" / "mail.key.pem"


@cache
def analysis() -> Analysis:
    return tlsdecrypt.analyze([str(CAPTURE)], keys=tlsdecrypt.load_keys(keys=[str(KEY)]))


def by_tshark(tshark: str, protocol: str, *fields: str) -> list[list[str]]:
    command: list[str | Path] = [
        tshark,
        "-r",
        CAPTURE,
        "-o",
        f"tls.keys_list:any,0,data,{KEY}",
        "-d",
        "tcp.port==2525,smtp",
        "-Y",
        protocol,
    ]
    command += ["-T", "fields", *(argument for each in fields for argument in ("-e", each))]
    told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    return [line.split("\t") for line in told.splitlines()]


def facts(protocol: str) -> list[dict[str, Any]]:
    return [
        each.annotations[protocol]
        for conversation in analysis().conversations
        for each in conversation.exchanges
        if each.protocol == protocol
    ]


def test_nothing_is_found() -> None:
    assert [each.rule for each in analysis().findings] == []


def test_commands_and_replies_are_those_of_tshark(tshark: str) -> None:
    commands = Counter(word for row in by_tshark(tshark, "smtp.req", "smtp.req.command") for word in row[0].split(","))
    mine = Counter(each["verb"] for each in facts("smtp") if each["verb"])
    for verb in ("EHLO", "MAIL", "RCPT", "DATA", "QUIT"):
        assert mine[verb] >= commands[verb] > 0, verb  # tshark looks for the first command of a segment
    codes = Counter(code for row in by_tshark(tshark, "smtp.rsp", "smtp.response.code") for code in row[0].split(","))
    known = [each for each in facts("smtp") if each["tls"] != "X-ANONYMOUSTLS"]  # which tshark does not know
    assert codes["221"] == sum(each.get("code") == 221 for each in known) == 3


def test_who_logs_in_and_what_is_sent_are_known() -> None:
    logins = {
        (each["mechanism"], each["user"], each.get("login") or each["result"])
        for protocol in ("smtp", "pop3", "imap")
        for each in facts(protocol)
        if "mechanism" in each
    }
    assert logins == {
        ("LOGIN", "avery@contoso.com", "accepted"),
        ("PLAIN", "avery@contoso.com", "accepted"),
        ("NTLM", "EXC1$", "accepted"),
    }
    messages = [each for each in facts("smtp") if each["verb"] in ("DATA", "BDAT")]
    assert [each["recipients"] for each in messages] == [
        ["avery@contoso.com"],
        ["avery@contoso.com"],
        ["kim@fabrikam.com"],
        ["kim@contoso.local"],
    ]
    assert messages[-1]["message"]["message_id"] == "<plan@contoso.local>"
    assert [each["size"] for each in messages][-1] == 227


def test_what_was_said_before_tls_is_known_inside_of_it() -> None:
    inside = [each for each in facts("smtp") if "capabilities_before_tls" in each]
    assert [each["tls"] for each in inside] == ["STARTTLS", "STARTTLS", "X-ANONYMOUSTLS"]
    assert all("STARTTLS" in each["capabilities_before_tls"] for each in inside)
    assert "X-EXPS GSSAPI NTLM" in inside[-1]["capabilities"]
