"""ActiveSync: both forms of the query, what pyactivesync asks and is told, and what lies or is damaged."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from typing import Any

import pytest
from activesync_peers import SPAN, WBXML, Stub, document
from hypothesis import given
from hypothesis import strategies as st
from pyactivesync import Client
from pyactivesync.exceptions import EASError

from tlsdecrypt.app.activesync_query import parse_query
from tlsdecrypt.app.annotate import annotate_http
from tlsdecrypt.app.http import HttpRequest, HttpResponse
from tlsdecrypt.errors import ParseError

QUERY = "jRIJBCAwMTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OUFCQ0RFRgRZLQTrBmlQaG9uZQ=="
PING = bytes.fromhex("03016a00000d454803343830000149 4a4b033500014c03456d61696c000101010 1".replace(" ", "") + "01")
CHANGES = bytes.fromhex("03016a00000d4547033200 01494a0335 00010101".replace(" ", ""))
PLAIN = "/Microsoft-Server-ActiveSync?Cmd={}&User=avery%40contoso.com&DeviceId=0123456789ABCDEF&DeviceType=iPhone"


def annotate(
    target: str, asked: bytes | None, answered: bytes | None, *fields: tuple[str, str], status: int = 200
) -> dict[str, Any]:
    content_type = ("Content-Type", WBXML)
    request = HttpRequest("POST", target, "HTTP/1.1", (content_type,), SPAN, content=asked)
    response = HttpResponse(status, "", "HTTP/1.1", (*fields, content_type), SPAN, content=answered)
    found: dict[str, Any] = annotate_http(request, response)["activesync"]
    return found


def test_a_query_in_base64_says_who_asks_what() -> None:
    query = parse_query(QUERY)
    assert (query.version, query.command, query.locale) == ("14.1", "Ping", 0x0409)
    assert (query.device_id, query.device_type) == ("0123456789ABCDEF0123456789ABCDEF", "iPhone")
    assert query.has_policy_key
    assert parse_query(QUERY.replace("=", "%3D")) == query
    assert "EB042D59" not in repr(query)


def test_parameters_of_a_query_in_base64_are_named() -> None:
    data = bytes.fromhex("a0 01 0904 01 41 00 02 5751") + b"\x07\x01\x03" + b"\x08\x03bob" + b"\x01\x01" + b"5"
    query = parse_query(base64.b64encode(data).decode())
    assert (query.command, query.user, query.has_policy_key) == ("SendMail", "bob", False)
    assert query.parameters == (("options", "SaveInSent AcceptMultiPart"), ("collection_id", "5"))


@given(st.binary(min_size=6, max_size=80))
def test_any_query_in_base64_is_read_or_refused(data: bytes) -> None:
    try:
        query = parse_query(base64.b64encode(data).decode())
    except ParseError:
        return
    assert query.is_base64


def test_a_cut_query_is_refused_at_every_length() -> None:
    data = base64.b64decode(QUERY)
    for length in range(6, len(data)):
        with pytest.raises(ParseError):
            parse_query(base64.b64encode(data[:length]).decode())


def test_a_ping_that_found_changes_is_told_in_one_line() -> None:
    facts = annotate(f"/Microsoft-Server-ActiveSync?{QUERY}", PING, CHANGES, ("MS-Server-ActiveSync", "14.2"))
    assert facts["summary"] == (
        "ActiveSync 14.1 Ping for up to 480 s on 1 folder by iPhone -> status 2: folders have changes"
    )
    assert (facts["heartbeat_s"], facts["changed_folders"]) == (480, ["5"])
    assert (facts["status"], facts["server_version"]) == (2, "14.2")
    assert "is_error" not in facts
    assert "error_code" not in facts


@pytest.mark.parametrize(
    ("command", "name", "value", "meaning"),
    [
        ("Sync", "129", 129, "blocked or quarantined"),
        ("Sync", "3", 3, "key 0"),
        ("FolderSync", "126", 126, "switched off for this user"),
        ("FolderSync", "177", 177, "as many devices"),
        ("Provision", "140", 140, "erase itself"),
    ],
)
def test_a_status_is_told_with_its_meaning(command: str, name: str, value: int, meaning: str) -> None:
    page = {"Sync": "AirSync", "FolderSync": "FolderHierarchy", "Provision": "Provision"}[command]
    facts = annotate(PLAIN.format(command), None, document(page, command, (page, "Status", name)))
    assert facts["status"] == value
    assert meaning in facts["meaning"]
    assert facts["is_error"] is True
    assert facts["error_code"]
    assert meaning in facts["summary"]


def test_a_status_of_a_message_is_no_status_of_the_command() -> None:
    """The flag of a mail has an element Status, too."""
    flag = ("Email", "Flag", ("Email", "Status", "2"))
    change = ("AirSync", "Change", ("AirSync", "ApplicationData", flag))
    collection = ("AirSync", "Collection", ("AirSync", "Status", "1"), ("AirSync", "Commands", change))
    facts = annotate(PLAIN.format("Sync"), None, document("AirSync", "Sync", ("AirSync", "Collections", collection)))
    assert facts["status"] == 1
    assert "statuses" not in facts
    assert facts["collections"][0]["received"] == 1


def test_the_settings_of_a_policy_are_listed() -> None:
    answer = bytes.fromhex(
        "03016a00 000e"  # page 14
        "45 46 47 4a 4d"  # Provision Policies Policy Data EASProvisionDoc
        "4e 03 3100 01  54 03 3600 01"  # DevicePasswordEnabled 1, MinDevicePasswordLength 6
        "01 01 01 01 01"
    )
    facts = annotate(PLAIN.format("Provision"), None, answer)
    assert facts["has_policy"] is True
    assert facts["policy"] == {"DevicePasswordEnabled": "1", "MinDevicePasswordLength": "6"}


def test_the_status_of_a_policy_is_no_status_of_the_command() -> None:
    policy = ("Provision", "Policy", ("Provision", "Status", "2"))
    answer = document("Provision", "Provision", ("Provision", "Status", "1"), ("Provision", "Policies", policy))
    facts = annotate(PLAIN.format("Provision"), None, answer)
    assert (facts["status"], facts["policy_status"]) == (1, 2)
    assert facts["policy_meaning"] == "there is no policy for this client"
    assert "statuses" not in facts


def provisioned() -> list[bytes]:
    def answer(key: str) -> bytes:
        policy = (
            "Provision",
            "Policy",
            ("Provision", "PolicyType", "MS-EAS-Provisioning-WBXML"),
            ("Provision", "Status", "1"),
            ("Provision", "PolicyKey", key),
        )
        return document("Provision", "Provision", ("Provision", "Status", "1"), ("Provision", "Policies", policy))

    return [answer("1307199584"), answer("3942919513")]


def run(answers: dict[str, list[bytes]], act: Any) -> list[dict[str, Any]]:
    stub = Stub({"Provision": provisioned(), **answers})
    with stub as address:
        client = Client(
            "unused", "avery@contoso.com", "Tr0ub4dor-marker", device_id="PYEAS0123456789", device_type="Test"
        )
        client._transport.base_url = f"http://{address}/Microsoft-Server-ActiveSync"
        with client:
            try:
                act(client)
            except EASError:
                assert any(each.get("is_error") for each in stub.annotations)
    assert "Tr0ub4dor" not in repr(stub.annotations)
    return stub.annotations


def folders(key: str, status: str = "1") -> bytes:
    change = (
        "FolderHierarchy",
        "Add",
        ("FolderHierarchy", "ServerId", "5"),
        ("FolderHierarchy", "ParentId", "0"),
        ("FolderHierarchy", "DisplayName", "Inbox"),
        ("FolderHierarchy", "Type", "2"),
    )
    changes = ("FolderHierarchy", "Changes", ("FolderHierarchy", "Count", "1"), change)
    return document(
        "FolderHierarchy",
        "FolderSync",
        ("FolderHierarchy", "Status", status),
        ("FolderHierarchy", "SyncKey", key),
        changes,
    )


def test_a_real_client_provisions_and_lists_folders() -> None:
    first, second, listed = run({"FolderSync": [folders("1")]}, lambda client: client.list_folders())
    assert first["policy_phase"] == "asks for the policy"
    assert first["device"] == {
        "model": "pyactivesync",
        "os": "Linux",
        "friendly_name": "pyactivesync client",
        "user_agent": "pyactivesync/0.1",
    }
    assert first["policy_status"] == 1
    assert second["policy_phase"] == "confirms the policy"
    assert second["policy_confirmed"] == 1
    assert listed["is_initial"] is True
    assert listed["has_policy_key"] is True
    assert listed["folder_changes"] == 1
    assert (listed["user"], listed["device_type"], listed["protocol_version"]) == ("avery@contoso.com", "Test", "16.1")
    assert "1307199584" not in repr((first, second, listed))


def test_a_real_client_is_told_that_it_is_blocked() -> None:
    *_, refused = run({"FolderSync": [folders("0", "129")]}, lambda client: client.list_folders())
    assert (refused["status"], refused["status_name"]) == (129, "DeviceIsBlockedForThisUser")


def test_a_real_client_sends_mail_whose_content_is_not_told() -> None:
    mail = EmailMessage()
    mail["Subject"] = "secret-subject"
    mail.set_content("secret-body")
    *_, sent = run({"SendMail": [b""]}, lambda client: client.send_mail(mail))
    assert sent["mail_length"] > 60
    assert "secret" not in repr(sent)


def test_a_real_client_waits_for_changes() -> None:
    adjusted = document("Ping", "Ping", ("Ping", "Status", "5"), ("Ping", "HeartbeatInterval", "470"))
    *_, ping = run({"Ping": [adjusted]}, lambda client: client.ping(["5"], heartbeat=480))
    assert ping["heartbeat_s"] == 480
    assert (ping["status"], ping["heartbeat_limit_s"]) == (5, 470)
    assert "heartbeat 470 s" in ping["summary"]


def test_a_remote_wipe_is_told() -> None:
    wipe = document("Provision", "Provision", ("Provision", "Status", "1"), ("Provision", "RemoteWipe"))
    facts = annotate(PLAIN.format("Provision"), None, wipe)
    assert facts["remote_wipe"] == "device"
    assert "remote wipe (device)" in facts["summary"]


def test_fields_of_the_answer_are_told() -> None:
    facts = annotate(
        PLAIN.format("Sync"),
        None,
        None,
        ("X-MS-Location", "https://mail2.contoso.com/Microsoft-Server-ActiveSync?x=1"),
        ("X-MS-ASThrottle", "RecentCommands"),
        ("MS-ASProtocolVersions", "2.5,12.1,14.1"),
        status=451,
    )
    assert facts["redirect_url"] == "https://mail2.contoso.com/Microsoft-Server-ActiveSync"
    assert facts["throttle"] == "RecentCommands"
    assert facts["offered_versions"] == ["2.5", "12.1", "14.1"]
    assert facts["summary"].endswith(
        "-> HTTP 451, go to https://mail2.contoso.com/Microsoft-Server-ActiveSync, RecentCommands"
    )


@pytest.mark.parametrize(
    ("page", "is_blocked"),
    [
        (b"<html><body>Your device is temporarily blocked from synchronizing</body></html>", True),
        (b"<html><body>The device is in quarantine.</body></html>", True),
        (b"<html><body>You do not have permission to view this directory.</body></html>", None),
    ],
)
def test_a_refusal_in_words_is_recognised(page: bytes, is_blocked: bool | None) -> None:  # noqa: FBT001
    request = HttpRequest("POST", PLAIN.format("Sync"), "HTTP/1.1", (), SPAN)
    response = HttpResponse(403, "", "HTTP/1.1", (("Content-Type", "text/html"),), SPAN, content=page)
    assert annotate_http(request, response)["activesync"].get("is_blocked_text") is is_blocked


def test_the_first_part_of_a_multipart_answer_is_read() -> None:
    part = document("ItemOperations", "ItemOperations", ("ItemOperations", "Status", "6"))
    content = b"".join(each.to_bytes(4, "little") for each in (2, 20, len(part), 20 + len(part), 4)) + part + b"MIME"
    request = HttpRequest("POST", PLAIN.format("ItemOperations"), "HTTP/1.1", (), SPAN)
    fields = (("Content-Type", "application/vnd.ms-sync.multipart"),)
    response = HttpResponse(200, "", "HTTP/1.1", fields, SPAN, content=content)
    assert annotate_http(request, response)["activesync"]["meaning"] == "not found"


@given(st.binary(max_size=120), st.text(max_size=40))
def test_nothing_that_a_peer_sends_stops_it(content: bytes, query: str) -> None:
    for fields in ((("Content-Type", WBXML),), (("Content-Type", "application/vnd.ms-sync.multipart"),), ()):
        request = HttpRequest(
            "POST", f"/Microsoft-Server-ActiveSync?{query}", "HTTP/1.1", fields, SPAN, content=content
        )
        response = HttpResponse(200, "", "HTTP/1.1", fields, SPAN, content=b"\x03\x01\x6a\x00" + content)
        assert annotate_http(request, response)["activesync"]["summary"].startswith("ActiveSync")
