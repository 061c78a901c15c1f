"""Objects: each content is a file with a safe name and an entry in the index; nothing outside, nothing overwritten."""

from __future__ import annotations

import hashlib
import json
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import pytest
from cli_runs import assert_refused, run
from hypothesis import given
from hypothesis import strategies as st
from sample_conversations import SECRET, conversation, request, response, session, span
from written import EXCHANGE, ROOT, analysis_of, sample_analysis

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.mail import MailCommand, SmtpReply
from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.mail_message import mask_message
from tlsdecrypt.report import object_folder
from tlsdecrypt.report.mail_parts import MAX_ATTACHMENTS, attachments
from tlsdecrypt.report.object_folder import ObjectFolder
from tlsdecrypt.report.object_names import MAX_NAME, MAX_SUFFIX, name_in_path, object_name
from tlsdecrypt.report.writer import Manner

DEVICES = ("CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONIN$")  # [MS-FSCC] and the documentation of Windows


def kept(folder: Path, *exchanges: Exchange, redactor: Redactor | None = None) -> dict[str, Any]:
    """The index of a folder with the contents of one connection."""
    objects = ObjectFolder(str(folder), Manner(redactor or Redactor(salt=b"x")))
    analysis = analysis_of([conversation(1, session(), exchanges=exchanges)])
    for each in analysis.conversations:
        objects.take(each)
    objects.finish(analysis)
    index: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    return index


def answer(content: bytes, media_type: str = "text/plain", target: str = "/x") -> Exchange:
    fields = (("Content-Type", media_type),)
    answered = response(200, "OK", span(6, 7, 6, 7), fields=fields, content=content, content_length=len(content))
    return Exchange("http/1.1", request(target, span(5, 5, 5, 5)), answered)


def mail(*parts: tuple[str, bytes]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "avery@contoso.com", "casey@contoso.com", "s"
    message.set_content("Hello.")
    for name, data in parts:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message


def test_every_content_of_the_sample_is_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    result = run(EXCHANGE, "--pfx", ROOT / "keys" / "mail.pfx", "--objects", folder)
    assert result.exit_code == 0
    index = json.loads((folder / "index.json").read_bytes())
    files = {each["file"]: each for each in index["objects"]}
    assert {path.name for path in folder.iterdir()} == {*files, "index.json"}
    for name, entry in files.items():
        data = (folder / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["length"], entry["sha256"])
    contents = [
        side.content
        for talk in sample_analysis().conversations
        for exchange in talk.exchanges
        for side in (exchange.request, exchange.response)
        if side.content
    ]
    assert index["count"] == len(files) == len(contents)
    unchanged = {each["sha256"] for each in files.values() if not each["is_changed_by_masking"]}
    assert unchanged <= {hashlib.sha256(content).hexdigest() for content in contents}
    assert len(unchanged) > 10


def test_an_entry_says_where_its_file_comes_from(tmp_path: Path) -> None:
    index = kept(tmp_path / "o", answer(b"hello", target=f"/oab/list.txt?token={SECRET}"))
    (entry,) = index["objects"]
    assert entry | {"url": "", "sha256": ""} == {
        "file": "00001-0001-response-list.txt", "connection": 1, "exchange": 1, "side": "response", "frames": [6, 7],
        "url": "", "media_type": "text/plain", "name": "list.txt", "length": 5, "sha256": "",
        "is_changed_by_masking": False,
    }  # fmt: skip
    assert entry["url"].startswith("https://mail.contoso.com/oab/list.txt?token=%3Cmasked")
    assert index["is_masked"] is True


def test_secrets_are_masked_unless_they_are_asked_for(tmp_path: Path) -> None:
    said = answer(f"user=avery&password={SECRET}".encode(), "application/x-www-form-urlencoded")
    (entry,) = kept(tmp_path / "masked", said)["objects"]
    assert entry["is_changed_by_masking"] is True
    assert SECRET.encode() not in (tmp_path / "masked" / entry["file"]).read_bytes()
    index = kept(tmp_path / "shown", said, redactor=Redactor(show_secrets=True))
    assert index["is_masked"] is False
    assert (tmp_path / "shown" / index["objects"][0]["file"]).read_bytes() == said.response.content


def test_what_an_earlier_field_taught_is_masked_in_contents(tmp_path: Path) -> None:
    (entry,) = kept(tmp_path / "o", answer(b"the cookie was " + SECRET.encode()))["objects"]
    assert SECRET.encode() not in (tmp_path / "o" / entry["file"]).read_bytes()


def test_a_mail_message_and_its_attachments_are_files(tmp_path: Path) -> None:
    message = mail(("plan.pdf", b"%PDF-1"), ("../../evil.exe", b"MZ"), ("", b"nameless"))
    command = MailCommand("DATA", "DATA", span(5, 6, 5, 6), content=message.as_bytes())
    said = Exchange("smtp", command, SmtpReply(250, "2.0.0", ("2.0.0 ok",), span(7, 7, 7, 7)))
    entries = kept(tmp_path / "o", said, redactor=Redactor(show_secrets=True))["objects"]
    assert [each["file"] for each in entries] == [
        "00001-0001-request-message.eml",
        "00001-0001-request-001-plan.pdf",
        "00001-0001-request-002-evil.exe.txt",
        "00001-0001-request-003.bin",
    ]
    assert (tmp_path / "o" / entries[1]["file"]).read_bytes() == b"%PDF-1"
    assert [each.get("attachment") for each in entries] == [None, 1, 2, 3]


def test_of_masked_mail_only_the_envelope_is_kept(tmp_path: Path) -> None:
    content = mail(("plan.pdf", b"%PDF-1")).as_bytes().replace(b"Subject: s", b"Subject: secret\r\n plans")
    said = Exchange("smtp", MailCommand("DATA", "DATA", span(5, 6, 5, 6), content=content), None)
    (entry,) = kept(tmp_path / "o", said)["objects"]
    kept_message = (tmp_path / "o" / entry["file"]).read_bytes()
    assert b"From: avery@contoso.com\r\nTo: casey@contoso.com\r\n" in kept_message
    assert b"Subject: <masked:personal len=14>\r\n" in kept_message
    assert [word for word in (b"secret", b"plans", b"Hello", b"plan.pdf", b"JVBERi0x") if word in kept_message] == []
    assert entry["is_changed_by_masking"] is True


@given(st.binary(max_size=200))
def test_any_message_can_be_masked(data: bytes) -> None:
    masked = mask_message(b"Subject: marker-one\n" + data + b"\n\nmarker-two", Redactor())
    assert b"marker-one" not in masked
    assert b"marker-two" not in masked


def test_messages_inside_of_messages_are_attachments_with_theirs() -> None:
    outer = mail()
    outer.add_attachment(mail(("inner.bin", b"inner")))
    found = list(attachments(outer.as_bytes()))
    assert [each.media_type for each in found] == ["message/rfc822", "application/octet-stream"]
    assert b"Hello." in found[0].data
    assert found[1].data == b"inner"


def test_attachments_are_bounded() -> None:
    message = mail(*((f"{number}.bin", b"x") for number in range(MAX_ATTACHMENTS + 5)))
    assert len(list(attachments(message.as_bytes()))) == MAX_ATTACHMENTS


@given(st.binary(max_size=300))
def test_any_bytes_may_be_called_a_message(data: bytes) -> None:
    for message in (
        data,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + data,
        b"Content-Disposition: attachment; filename*=" + data,
    ):
        assert all(len(each.data) <= len(message) for each in attachments(message))


def test_messages_nested_beyond_reason_are_survived() -> None:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (each, each) for each in range(3_000)
    )
    assert list(attachments(head)) == []
    assert len(list(attachments(b"Content-Type: message/rfc822\r\n\r\n" * 3_000))) <= 1


HOSTILE = [
    "../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "C:\\x.txt", "a:b", ".", "..", "...", ".ssh", "",
    "x" * 5_000, "x." + "y" * 5_000, "a\x00b", "a\nb", "\u202egnp.exe", "a/../b", "nul", "NUL.txt", "con.", "x. ", "x ",
    "%2e%2e%2f", "~", "-rf", "$(id)", "a;b|c&d", "\ud800", "\u00e9.txt", "index.json",
]  # fmt: skip


@pytest.mark.parametrize("wanted", HOSTILE, ids=ascii)
def test_a_name_of_a_stranger_is_harmless(wanted: str) -> None:
    assert_harmless(object_name("00001-0001-response", wanted, "text/plain"))


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_name_becomes_harmless(wanted: str, media_type: str) -> None:
    assert_harmless(object_name("00001-0001-response", wanted, media_type))
    assert_harmless(object_name("00001-0001-response", name_in_path(wanted), media_type))


def assert_harmless(name: str) -> None:
    assert re.fullmatch(r"00001-0001-response[A-Za-z0-9._-]*[A-Za-z0-9]", name)
    assert len(name) <= len("00001-0001-response-") + MAX_NAME + 2 * MAX_SUFFIX
    assert name.partition(".")[0].upper() not in DEVICES
    assert Path(name).name == name


@pytest.mark.parametrize("name", ["run.exe", "page.HTML", "x.js", "a.svg", "b.lnk"])
def test_no_file_is_run_by_a_double_click(name: str) -> None:
    assert object_name("1", name, "").endswith(".txt")


@pytest.mark.parametrize(
    ("target", "media_type", "name"),
    [
        ("/EWS/Exchange.asmx?x=1", "text/xml; charset=utf-8", "1-Exchange.asmx"),
        ("/owa/", "text/html", "1-owa.html.txt"),
        ("/", "application/json", "1.json"),
        ("/a%20b.json#x", "", "1-a_b.json"),
        ("*", "", "1.txt"),
        ("/x", "image/png", "1-x.png"),
        ("/x", "video/mp4", "1-x.bin"),
    ],
)
def test_names_tell_what_was_asked(target: str, media_type: str, name: str) -> None:
    assert object_name("1", name_in_path(target), media_type) == name


def test_two_contents_of_one_name_are_two_files(tmp_path: Path) -> None:
    index = kept(tmp_path / "o", answer(b"1"), answer(b"2"))
    assert len({each["file"].lower() for each in index["objects"]}) == 2


def test_files_beyond_the_bound_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_folder, "MAX_OBJECTS", 2)
    index = kept(tmp_path / "o", *(answer(b"x") for _ in range(5)))
    assert (index["count"], index["left_out"], len(index["objects"])) == (2, 3, 2)


def test_a_folder_that_holds_something_is_refused(folder: Path, capture: str) -> None:
    (folder / "out" / "mine.txt").write_text("mine")
    assert_refused(run(capture, "--objects", folder / "out"), "is not empty")
    assert [path.name for path in (folder / "out").iterdir()] == ["mine.txt"]


def test_a_place_where_no_folder_can_be_is_one_sentence(folder: Path, capture: str) -> None:
    assert_refused(run(capture, "--objects", folder / "text"), "is a file")
    assert_refused(run(capture, "--objects", folder / "no" / "such"), "there is no folder")


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = Path.open

    class Full:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._stream.close()

        def write(self, data: bytes) -> None:
            self._stream.write(data[:1])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode="r", *a, **k: Full(real_open(path, mode, *a, **k)))
    with pytest.raises(object_folder.InputError, match="No space left on device"):
        kept(tmp_path / "o", answer(b"hello"))
    assert list((tmp_path / "o").iterdir()) == []


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    kept(tmp_path / "o", answer(b"x"))
    assert (tmp_path / "o").stat().st_mode & 0o077 == 0
