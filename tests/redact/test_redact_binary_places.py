"""Secrets of ActiveSync, MAPI, RPC over HTTP and sign-in forms: a marker in each place, sought in every output."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from activesync_peers import document
from cli_runs import run
from exchange_dialogues import dialogue
from hypothesis import given
from hypothesis import strategies as st
from mapi_messages import CONNECT_REQUEST, CONNECT_RESPONSE, TARGET, done, execute_request, rop_buffer
from packets import C, S, Scene, http_request, http_response
from rpc_http_messages import CONN_A1, CONN_A3, CONN_B1, OPENED, in_head, out_head, pdu
from test_redact_soap_places import MARKER, assert_hidden, outputs

from tlsdecrypt.app.activesync_pages import TAGS
from tlsdecrypt.app.wbxml import parse_wbxml
from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.binary import star_binary

if TYPE_CHECKING:
    from pathlib import Path

WBXML = "Content-Type: application/vnd.ms-sync.wbxml"
FORM = "Content-Type: application/x-www-form-urlencoded"
PLAIN = "/Microsoft-Server-ActiveSync?Cmd={}&User=avery&DeviceType=iPhone&DeviceId=0123456789ABCDEF"

IN_WBXML = {
    "PolicyKey": ("Provision", ("Provision", "Policies", ("Provision", "Policy", ("Provision", "PolicyKey", MARKER)))),
    "IMEI": ("Settings", ("Settings", "DeviceInformation", ("Settings", "IMEI", MARKER))),
    "PhoneNumber": ("Settings", ("Settings", "DeviceInformation", ("Settings", "PhoneNumber", MARKER))),
    "Body": ("AirSync", ("AirSyncBase", "Body", ("AirSyncBase", "Data", MARKER))),
    "Subject": ("Email", ("Email", "Subject", MARKER)),
    "FreeText": ("Search", ("Search", "Query", ("Search", "FreeText", MARKER))),
    "DisplayName": ("FolderHierarchy", ("FolderHierarchy", "DisplayName", MARKER)),
}
ROOTS = {"AirSync": "Sync", "Email": "Flag", "FolderHierarchy": "FolderSync"}


def base64_query(device: bytes) -> str:
    data = bytes([141, 18]) + b"\x09\x04" + bytes([len(device)]) + device + b"\x04\x2d\x59\x04\xeb" + b"\x06iPhone"
    return base64.b64encode(data).decode()


def scene(*pairs: tuple[bytes, bytes | None]) -> Scene:
    made = Scene()
    made.dialogue(dialogue(pairs))
    return made


def test_a_device_id_in_a_base64_query_is_in_no_output(tmp_path: Path) -> None:
    query = base64_query(MARKER.encode())
    target = f"/Microsoft-Server-ActiveSync?{query}"
    elsewhere = f"Location: https://mail2.contoso.com{target}"
    made = scene(
        (http_request(f"POST {target}", [WBXML]), http_response("302 Found", [elsewhere])),
        (http_request(f"POST {target.replace('=', '%3D')}", [WBXML]), http_response("200 OK")),
    )
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert query.encode() not in shown
    assert b"ActiveSync 14.1 Ping by iPhone" in shown


def test_evidence_of_findings_shows_no_device_id(tmp_path: Path) -> None:
    query = base64_query(MARKER.encode())
    blocked = document("FolderHierarchy", "FolderSync", ("FolderHierarchy", "Status", "129"))
    answer = http_response("200 OK", [WBXML, "X-FEServer: CAS01"], blocked)
    plain = f"/Microsoft-Server-ActiveSync?Cmd=FolderSync&User=avery&DeviceType=iPhone&DeviceId={MARKER}"
    targets = (f"/Microsoft-Server-ActiveSync?{query}", plain)
    shown = outputs(scene(*((http_request(f"POST {each}", [WBXML]), answer) for each in targets)), tmp_path)
    assert b"eas.device-blocked" in shown
    assert_hidden(shown)
    assert query.encode() not in shown


@pytest.mark.parametrize("place", [f"&DeviceId={MARKER}", f"&PolicyKey={MARKER}", f"&password={MARKER}"])
def test_a_secret_in_a_plain_query_is_in_no_output(place: str, tmp_path: Path) -> None:
    target = "/Microsoft-Server-ActiveSync?Cmd=Sync&User=avery&DeviceType=iPhone" + place
    shown = outputs(scene((http_request(f"POST {target}", [WBXML]), http_response("200 OK"))), tmp_path)
    assert_hidden(shown)
    assert b"Cmd=Sync" in shown


def test_a_policy_key_in_a_field_is_in_no_output(tmp_path: Path) -> None:
    asked = http_request(f"POST {PLAIN.format('Sync')}", [WBXML, f"X-MS-PolicyKey: {MARKER}"])
    assert_hidden(outputs(scene((asked, http_response("200 OK"))), tmp_path))


@pytest.mark.parametrize("place", IN_WBXML)
def test_a_secret_in_wbxml_is_in_no_output(place: str, tmp_path: Path) -> None:
    page, tag = IN_WBXML[place]
    body = document(page, ROOTS.get(page, page), tag)
    made = scene(
        (http_request(f"POST {PLAIN.format('Sync')}", [WBXML], body), http_response("200 OK", [WBXML], body)),
        (http_request(f"POST {PLAIN.format('Sync')}", [WBXML], body[:-3]), None),
    )
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert b"ActiveSync" in shown


def test_a_recovery_password_is_in_no_output(tmp_path: Path) -> None:
    body = bytes.fromhex("03016a00 0012 45 54 48 55 03") + MARKER.encode() + bytes.fromhex("00 01 01 01 01")
    made = scene(
        (http_request(f"POST {PLAIN.format('Settings')}", [WBXML], body), http_response("200 OK", [WBXML], body))
    )
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert b"sets_recovery_password" in shown


def test_cookies_and_messages_of_mapi_are_in_no_output(tmp_path: Path) -> None:
    head = [
        "Content-Type: application/mapi-http",
        "X-RequestType: Execute",
        f"Cookie: MapiContext={MARKER}; a={MARKER}",
    ]
    rops = b"\x0a\x00\x00" + (len(MARKER) * 2 + 8).to_bytes(2, "little") + bytes(8) + MARKER.encode("utf-16-le")
    body = execute_request(rop_buffer(rops))
    answer = ["Content-Type: application/mapi-http", "X-ResponseCode: 0", f"Set-Cookie: MapiSequence={MARKER}; path=/"]
    connect = ["Content-Type: application/mapi-http", "X-RequestType: Connect"]
    made = scene(
        (
            http_request(f"POST {TARGET}", connect, CONNECT_REQUEST),
            http_response("200 OK", answer, done(CONNECT_RESPONSE)),
        ),
        (http_request(f"POST {TARGET}", head, body), http_response("200 OK", answer, done(body))),
    )
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert b"MAPI/HTTP Execute" in shown


def test_tokens_and_arguments_of_rpc_are_in_no_output(tmp_path: Path) -> None:
    token = pdu(11, bytes(12), auth=MARKER.encode() + MARKER.encode("utf-16-le"))
    call = pdu(0, bytes(8) + MARKER.encode())
    made = Scene()
    made.dialogue([C(in_head() + CONN_B1 + token + call)])
    made.dialogue([C(out_head() + CONN_A1), S(OPENED + CONN_A3 + pdu(2, bytes(8) + MARKER.encode()))])
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert b"Outlook Anywhere" in shown


@pytest.mark.parametrize(
    "path", ["/owa/auth.owa", "/owa/auth/owaauth.dll", "/CookieAuth.dll?Logon", "/ecp/auth.owa", "/owa/auth/logon.aspx"]
)
def test_the_password_of_a_sign_in_form_is_in_no_output(path: str, tmp_path: Path) -> None:
    form = f"destination=https%3A%2F%2Fmail.contoso.com%2Fowa&flags=4&username=avery&password={MARKER}&curl={MARKER}"
    change = f"username=avery&oldPwd={MARKER}&newPwd1={MARKER}&newPwd2={MARKER}"
    answer = ["Location: /owa/", f"Set-Cookie: cadata={MARKER}; HttpOnly", f"X-OWA-CANARY: {MARKER}"]
    made = scene(
        (http_request(f"POST {path}", [FORM], form.encode()), http_response("302 Found", answer)),
        (
            http_request("POST /owa/auth/expiredpassword.aspx", [FORM], change.encode()),
            http_response("200 OK", ["Content-Type: text/html"], f"<p>{MARKER} is too weak</p>".encode()),
        ),
        (http_request(f"GET /owa/service.svc?action=FindItem&X-OWA-CANARY={MARKER}"), http_response("200 OK")),
        (http_request(f"GET /CookieAuth.dll?GetLogon?curl={MARKER}&reason=0"), http_response("200 OK")),
    )
    shown = outputs(made, tmp_path)
    assert_hidden(shown)
    assert b"as avery" in shown


def test_wbxml_keeps_its_tags_and_statuses(tmp_path: Path) -> None:
    folder = ("FolderHierarchy", "Add", ("FolderHierarchy", "DisplayName", MARKER))
    status = ("FolderHierarchy", "Status", "129")
    body = document("FolderHierarchy", "FolderSync", status, ("FolderHierarchy", "Changes", folder))
    shown = star_binary(body, "application/vnd.ms-sync.wbxml")
    root, faults = parse_wbxml(shown, TAGS)
    assert root is not None
    assert faults == []
    assert root.text_at("Status") == "129"
    assert root.text_at("Changes", "Add", "DisplayName") == "*" * len(MARKER)
    made = scene((http_request(f"POST {PLAIN.format('FolderSync')}", [WBXML], body), http_response("200 OK")))
    assert_hidden(decrypted(made, tmp_path))


def decrypted(made: Scene, folder: Path) -> bytes:
    """The decrypted capture of a capture."""
    (folder / "scene.pcap").write_bytes(made.pcap())
    result = run(folder / "scene.pcap", "-o", folder / "out.pcapng")
    assert result.exit_code == 0, result.output
    return (folder / "out.pcapng").read_bytes()


def test_nothing_of_the_kind_is_in_a_decrypted_capture(tmp_path: Path) -> None:
    password = bytes.fromhex("03016a00 0012 45 54 48 55 03") + MARKER.encode() + bytes.fromhex("00 01 01 01 01")
    opaque = bytes.fromhex("03016a00 0015 45 50 c3") + bytes([len(MARKER)]) + MARKER.encode() + b"\x01\x01"
    mapi = done(execute_request(rop_buffer(b"\x0a\x00\x00" + MARKER.encode("utf-16-le"))))
    bind = pdu(11, bytes(12), auth=MARKER.encode("utf-16-le"))
    kind = "Content-Type: application/mapi-http"
    cookie = f"Cookie: MapiContext={MARKER}"
    made = scene(
        (http_request(f"POST {PLAIN.format('Settings')}", [WBXML, f"X-MS-PolicyKey: {MARKER}"], password), None),
        (http_request(f"POST {PLAIN.format('SendMail')}", [WBXML], opaque), http_response("200 OK", [WBXML], opaque)),
        (http_request(f"POST {TARGET}", [kind, cookie], mapi), http_response("200 OK", [kind], mapi)),
    )
    made.dialogue([C(in_head() + CONN_B1 + bind + pdu(0, bytes(8) + MARKER.encode()) * 3)])
    shown = decrypted(made, tmp_path)
    assert_hidden(shown)
    assert b"PROCESSING" in shown
    assert CONN_B1 in shown


@given(
    st.binary(max_size=200), st.sampled_from(["application/vnd.ms-sync", "application/mapi-http", "application/rpc"])
)
def test_stars_keep_the_length_of_anything(data: bytes, kind: str) -> None:
    for head in (b"", b"\x03\x01\x6a\x00", CONN_B1, b"PROCESSING\r\nDONE\r\nX-ElapsedTime: 1\r\n\r\n"):
        assert len(star_binary(head + data, kind)) == len(head + data)


def test_contents_are_shown_to_those_who_ask_for_secrets() -> None:
    data = b"\x03\x01\x6a\x00\x45\x03" + MARKER.encode() + b"\x00\x01"
    assert Redactor(show_secrets=True).content(data, "application/vnd.ms-sync.wbxml") == data
    assert MARKER.encode() not in Redactor().content(data, "application/vnd.ms-sync.wbxml")
