"""--dissect, from a capture to text and JSON. tshark tells, so it has to be there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import ldap_dialogue
import pytest
from cli_runs import KEYS, assert_refused, run
from jsonschema import Draft202012Validator
from ldap_dialogue import PASSWORD
from packets import C, S, Scene

from tlsdecrypt.dissection import dissector, wireshark
from tlsdecrypt.report.schema import schema as schema_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packets import Say

STARTTLS = Path(__file__).resolve().parents[2] / "captures" / "starttls.pcap"
FTP = [
    S("220 (vsFTPd 3.0.5)\r\n"),
    C("AUTH TLS\r\n"),
    S("530 Please login with USER and PASS.\r\n"),
    C("USER alex\r\n"),
    S("331 password, please\r\n"),
    C("PASS hunter2-and-more\r\n"),
    S("530 login incorrect\r\n"),
]
pytestmark = pytest.mark.usefixtures("tshark")


def told(folder: Path, said: Sequence[Say], *options: str, port: int = 389) -> dict[str, Any]:
    scene = Scene()
    scene.dialogue(said, port=port)
    (folder / "said.pcap").write_bytes(scene.pcap())
    result = run(folder / "said.pcap", "--dissect", "--format", "json", *options)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(json.loads(schema_bytes())).validate(document)
    connection: dict[str, Any] = document["connections"][0]
    return connection


@pytest.mark.parametrize("port", [389, 12_345])
def test_ldap_is_told_with_frames_layers_fields_and_summary_on_any_port(tmp_path: Path, port: int) -> None:
    messages = told(tmp_path, ldap_dialogue.session(), port=port)["dissection"]
    assert [each["protocol"] for each in messages] == ["LDAP"] * 4
    assert [each["frames"] for each in messages] == [[4, 4], [6, 6], [8, 8], [10, 10]]
    bind, answer = messages[:2]
    assert bind["layers"] == ["ldap"]
    assert "bindRequest(1)" in bind["info"]
    assert ["ldap.resultCode", "49"] in answer["fields"]
    assert ["ldap.errorMessage", ldap_dialogue.WHY] in answer["fields"]


def test_passwords_are_masked_unless_they_are_asked_for(tmp_path: Path) -> None:
    hidden = json.dumps(told(tmp_path, ldap_dialogue.session()))
    assert PASSWORD not in hidden
    assert "<masked:password" in hidden
    assert PASSWORD in json.dumps(told(tmp_path, ldap_dialogue.session(), "--show-secrets"))


def test_digits_that_are_a_password_are_no_number(tmp_path: Path) -> None:
    shown = told(tmp_path, ldap_dialogue.session("20261124"))
    assert "20261124" not in json.dumps(shown["dissection"])


def test_passwords_of_line_protocols_stand_neither_in_fields_nor_in_summaries(tmp_path: Path) -> None:
    shown = told(tmp_path, FTP, port=21)
    assert [each["protocol"] for each in shown["dissection"]] == ["FTP"] * 7
    assert "hunter2" not in json.dumps(shown)


def test_the_text_tells_a_line_a_message(tmp_path: Path) -> None:
    scene = Scene()
    scene.dialogue(ldap_dialogue.session(), port=389)
    (tmp_path / "ldap.pcap").write_bytes(scene.pcap())
    result = run(tmp_path / "ldap.pcap", "--dissect")
    assert result.exit_code == 0
    assert "    LDAP  bindResponse(1) invalidCredentials" in result.stdout
    assert PASSWORD not in result.stdout
    assert "bindResponse" not in run(tmp_path / "ldap.pcap").stdout


def test_what_is_odd_is_told_with_its_severity(tmp_path: Path) -> None:
    broken = ldap_dialogue.message(1, ldap_dialogue.ber(0x60, b"\x02\x01"))
    notes = [note for each in told(tmp_path, [C(broken)])["dissection"] for note in each["expert"]]
    assert {note["severity"] for note in notes} & {"error", "warning"}


def test_what_is_said_inside_tls_is_dissected_with_what_mysql_said_before_it() -> None:
    result = run(STARTTLS, "--pfx", KEYS / "mail.pfx", "--dissect", "--format", "json")
    connections = json.loads(result.stdout)["connections"]
    by_port = {each["server"]["port"]: each for each in connections}
    assert [each["info"] for each in by_port[21]["dissection"]][-1] == "Response: QUIT"
    assert "Server Greeting" in by_port[3306]["dissection"][0]["info"]
    assert all("dissection" not in by_port[port] for port in (25, 110, 143))  # decoders of this program know these


def test_bytes_that_are_of_no_protocol_end_in_no_fault(tmp_path: Path) -> None:
    noise = Random(5)
    scene = Scene()
    for port in (21, 88, 135, 389, 445, 1433, 1883, 3306, 3389, 5222, 5432, 5672, 9999):
        scene.dialogue([C(noise.randbytes(900)), S(noise.randbytes(3000)), C(noise.randbytes(50))], port=port)
    (tmp_path / "noise.pcap").write_bytes(scene.pcap())
    result = run(tmp_path / "noise.pcap", "--dissect", "--verbose")
    assert result.exit_code == 0
    assert "not dissected" not in result.stderr


def test_connections_keep_their_messages_whatever_waits_together(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(dissector, "MAX_WAITING", 2)
    scene = Scene()
    for _ in range(5):
        scene.dialogue(ldap_dialogue.session(), port=389)
    (tmp_path / "many.pcap").write_bytes(scene.pcap())
    result = run(tmp_path / "many.pcap", "--dissect", "--format", "json")
    connections = json.loads(result.stdout)["connections"]
    assert [each["id"] for each in connections] == [1, 2, 3, 4, 5]
    for each in connections:
        frames = [message["frames"][0] for message in each["dissection"]]
        assert len(frames) == 4
        assert each["first_frame"] < frames[0] < frames[-1] < each["last_frame"]


def test_bounds_are_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(dissector, "MAX_MESSAGES", 1)
    shown = told(tmp_path, ldap_dialogue.session())
    assert len(shown["dissection"]) == 1
    assert [each["what"] for each in shown["notes"]] == ["3 more messages dissected and not told"]
    monkeypatch.setattr(dissector, "MAX_MESSAGES", 10)
    monkeypatch.setattr(dissector, "MAX_BYTES", 100)
    shown = told(tmp_path, ldap_dialogue.session())
    assert "only the beginning of this connection was dissected" in [each["what"] for each in shown["notes"]]


def test_what_tshark_is_given_is_for_nobody_else_and_does_not_stay(tmp_path: Path, monkeypatch: Any) -> None:
    seen: list[tuple[Path, int, bytes]] = []
    dissect = dissector.dissect

    def looked_at(tshark: str, path: Path, decode_as: Any) -> Any:
        seen.append((path, stat.S_IMODE(path.stat().st_mode), path.read_bytes()))
        return dissect(tshark, path, decode_as)

    monkeypatch.setattr(dissector, "dissect", looked_at)
    told(tmp_path, FTP, port=21)
    ((path, mode, data),) = seen
    assert mode == 0o600
    assert b"530 login" in data
    assert b"hunter2" not in data
    assert not path.parent.exists()


def test_without_tshark_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(wireshark, "_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_refused(run(STARTTLS, "--key", tmp_path / "none", "--dissect"), "tshark", "apt install", "winget")


def test_without_pyshark_one_sentence_says_how_to_get_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(wireshark, "find_spec", lambda _: None)
    assert_refused(run(STARTTLS, "--dissect"), "pip install 'tlsdecrypt[wireshark]'")


def test_names_cannot_be_replaced_in_what_dissectors_say() -> None:
    assert_refused(run(STARTTLS, "--dissect", "--anonymise"), "--anonymise")


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 2", "tshark"), ("exec sleep 60", "longer than 0.5 seconds"), ("echo '<packet><proto'; exit 0", "tshark")],
)
def test_a_tshark_that_fails_is_a_note_and_all_else_is_told(
    tmp_path: Path, monkeypatch: Any, script: str, words: str
) -> None:
    fake = tmp_path / "tshark"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(wireshark, "MAX_SECONDS", 0.5)
    scene = Scene()
    scene.dialogue(ldap_dialogue.session(), port=389)
    (tmp_path / "ldap.pcap").write_bytes(scene.pcap())
    result = run(tmp_path / "ldap.pcap", "--dissect")
    assert result.exit_code == 0
    assert "Connection 1" in result.stdout
    assert "not dissected: " in result.stderr
    assert words in result.stderr
