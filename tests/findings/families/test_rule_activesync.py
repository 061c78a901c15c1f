"""Rules of ActiveSync: each fires on its status, and not on steps of the protocol that look like it."""

from __future__ import annotations

import pytest
from activesync_peers import document
from exchange_dialogues import FRONT_END, rules_in
from packets import ACK, FIN, RST, C, S, Say, Scene, Segment, found, http_request, http_response

from tlsdecrypt.findings.finding import Confidence, Finding, Severity

WBXML = "Content-Type: application/vnd.ms-sync.wbxml"
HTML = "Content-Type: text/html"
PAGES = {"Sync": "AirSync", "FolderSync": "FolderHierarchy"}
PHONE_2 = "FEDCBA9876543210"


def target(command: str, device: str = "0123456789ABCDEF") -> str:
    return f"/Microsoft-Server-ActiveSync?Cmd={command}&User=avery%40contoso.com&DeviceId={device}&DeviceType=iPhone"


def ask(
    command: str,
    answered: bytes | None = None,
    *fields: str,
    asked: bytes = b"",
    status: str = "200 OK",
    version: str = "14.1",
    kind: str = WBXML,
    reached: bool = True,
    after: float = 0.01,
) -> list[Say]:
    """A command and its answer; without a status, none comes."""
    request = http_request(f"POST {target(command)}", [WBXML, f"MS-ASProtocolVersion: {version}"], asked)
    said = [C(request, after)]
    if status:
        front = FRONT_END if reached else ()
        said.append(S(http_response(status, [kind, *front, *fields], answered or b"")))
    return said


def status_of(command: str, value: int, **options: object) -> list[Say]:
    """A command that is answered with a Status at its root."""
    page = PAGES.get(command, command)
    return ask(command, document(page, command, (page, "Status", str(value))), **options)  # type: ignore[arg-type]


def scene(*exchanges: list[Say], **options: object) -> Scene:
    made = Scene()
    made.dialogue([each for said in exchanges for each in said], **options)  # type: ignore[arg-type]
    made.silence(5)
    return made


def one(made: Scene, rule: str, severity: Severity) -> Finding:
    finding = found(made, rule)
    assert finding is not None
    assert finding.severity is severity
    return finding


def sync(key: str, status: int = 1) -> list[Say]:
    """A Sync of one folder from a key."""
    asked = document(
        "AirSync",
        "Sync",
        (
            "AirSync",
            "Collections",
            ("AirSync", "Collection", ("AirSync", "SyncKey", key), ("AirSync", "CollectionId", "5")),
        ),
    )
    return status_of("Sync", status, asked=asked)


def folder_sync(key: str, status: int = 1) -> list[Say]:
    asked = document("FolderHierarchy", "FolderSync", ("FolderHierarchy", "SyncKey", key))
    return status_of("FolderSync", status, asked=asked)


PING = document(
    "Ping",
    "Ping",
    ("Ping", "HeartbeatInterval", "900"),
    ("Ping", "Folders", ("Ping", "Folder", ("Ping", "Id", "5"), ("Ping", "Class", "Email"))),
)


def test_healthy_traffic_is_not_mentioned() -> None:
    options = [
        C(http_request("OPTIONS /Microsoft-Server-ActiveSync")),
        S(http_response("200 OK", ["MS-ASProtocolVersions: 2.5,12.1,14.0,14.1", *FRONT_END])),
    ]
    healthy = scene(options, folder_sync("0"), sync("0"), sync("17"), status_of("Ping", 2, asked=PING), sync("18"))
    assert rules_in(healthy, "eas", "http") == set()


@pytest.mark.parametrize(
    ("value", "rule", "severity"),
    [
        (126, "eas.user-disabled", Severity.ERROR),
        (129, "eas.device-blocked", Severity.ERROR),
        (177, "eas.max-devices", Severity.ERROR),
        (140, "eas.remote-wipe", Severity.WARNING),
        (101, "eas.xml-error", Severity.ERROR),
        (102, "eas.xml-error", Severity.ERROR),
        (103, "eas.xml-error", Severity.ERROR),
        (142, "eas.needs-provision", Severity.INFO),
        (143, "eas.needs-provision", Severity.INFO),
        (144, "eas.needs-provision", Severity.INFO),
        (139, "eas.needs-provision", Severity.WARNING),
        (145, "eas.needs-provision", Severity.WARNING),
        (132, "eas.sync-state-invalid", Severity.INFO),
        (136, "eas.sync-state-invalid", Severity.INFO),
        (138, "eas.versions", Severity.WARNING),
    ],
)
def test_a_status_has_one_finding(value: int, rule: str, severity: Severity) -> None:
    made = scene(status_of("FolderSync", value))
    one(made, rule, severity)
    assert rules_in(made, "eas", "http") == {rule}


@pytest.mark.parametrize("value", [1, 110, 111, 113, 125, 131, 137, 146, 165, 178])
def test_a_status_without_a_rule_has_none(value: int) -> None:
    assert rules_in(scene(status_of("FolderSync", value)), "eas") == set()


def test_user_disabled_by_403_to_an_old_device() -> None:
    page = b"<html><body>You do not have permission.</body></html>"
    refused = ask("Sync", page, status="403 Forbidden", version="12.1", kind=HTML)
    one(scene(refused), "eas.user-disabled", Severity.ERROR)
    newer = one(scene(ask("Sync", page, status="403 Forbidden", kind=HTML)), "eas.user-disabled", Severity.ERROR)
    assert newer.confidence is Confidence.HINT
    by_device = ask("Sync", page, status="403 Forbidden", version="12.1", kind=HTML, reached=False)
    assert not found(scene(by_device), "eas.user-disabled")


def test_device_blocked_by_403_in_words() -> None:
    page = b"<html><body>The device is in quarantine.</body></html>"
    made = scene(ask("Sync", page, status="403 Forbidden", version="12.1", kind=HTML))
    one(made, "eas.device-blocked", Severity.ERROR)
    assert rules_in(made, "eas") == {"eas.device-blocked"}


def test_redirect_451_is_a_note_where_the_device_follows() -> None:
    location = "X-MS-Location: https://mail2.contoso.com/Microsoft-Server-ActiveSync"
    redirected = ask("Sync", None, location, status="451 Redirect")
    finding = one(scene(redirected), "eas.redirect-451", Severity.WARNING)
    assert "https://mail2.contoso.com" in finding.summary
    one(scene(redirected, sync("17")), "eas.redirect-451", Severity.INFO)
    moved = Scene()
    moved.dialogue(redirected, client="192.0.2.10")
    moved.dialogue(sync("17"), client="192.0.2.77")
    moved.silence(5)
    one(moved, "eas.redirect-451", Severity.INFO)
    nowhere = one(scene(ask("Sync", None, status="451 Redirect")), "eas.redirect-451", Severity.WARNING)
    assert "Autodiscover" in nowhere.summary
    assert not found(scene(sync("17")), "eas.redirect-451")


def test_needs_provision_by_449_is_a_note_and_a_loop_a_warning() -> None:
    needs = ask("Sync", None, status="449 Retry after sending a PROVISION command", kind=HTML)
    provision = status_of("Provision", 1)
    one(scene(needs, provision, sync("17")), "eas.needs-provision", Severity.INFO)
    loop = one(scene(*[needs, provision] * 4), "eas.needs-provision", Severity.WARNING)
    assert "4 times" in loop.summary
    one(scene(*[needs, provision] * 3), "eas.needs-provision", Severity.INFO)
    assert not found(scene(provision), "eas.needs-provision")


def test_remote_wipe_in_an_answer_to_provision() -> None:
    wipe = document("Provision", "Provision", ("Provision", "Status", "1"), ("Provision", "RemoteWipe"))
    finding = one(scene(ask("Provision", wipe)), "eas.remote-wipe", Severity.WARNING)
    assert "avery@contoso.com (iPhone)" in finding.summary
    assert not found(scene(status_of("Provision", 1)), "eas.remote-wipe")


@pytest.mark.parametrize(
    ("status", "words"), [("456 Blocked", "is blocked"), ("457 Expired", "has an expired password")]
)
def test_account_blocked_and_its_near_miss(status: str, words: str) -> None:
    url = "X-MS-Credential-Service-Url: https://passwords.contoso.com/"
    finding = one(scene(ask("Sync", None, url, status=status, kind=HTML)), "eas.account-blocked", Severity.ERROR)
    assert words in finding.summary
    assert any("passwords.contoso.com" in each.what for each in finding.evidence)
    assert not found(scene(ask("Sync", None, status="451 Redirect")), "eas.account-blocked")


def test_password_expiring_and_its_near_miss() -> None:
    finding = one(scene(ask("Sync", None, "X-MS-Credentials-Expire: 5")), "eas.password-expiring", Severity.INFO)
    assert "in 5 days" in finding.summary
    assert not found(scene(sync("17")), "eas.password-expiring")


def test_user_not_found_and_its_near_miss() -> None:
    answered = ask("Sync", None, "X-CasErrorCode: UserNotFound", status="404 Not Found", kind=HTML)
    one(scene(answered), "eas.user-not-found", Severity.ERROR)
    assert rules_in(scene(answered), "eas", "http") == {"eas.user-not-found"}
    assert not found(scene(ask("Sync", None, status="404 Not Found", kind=HTML)), "eas.user-not-found")


def test_throttled_suppresses_what_http_says() -> None:
    busy = ask("Sync", None, "Retry-After: 120", "X-MS-ASThrottle: RecentCommands", status="503 Busy", kind=HTML)
    finding = one(scene(busy), "eas.throttled", Severity.WARNING)
    assert "RecentCommands" in finding.summary
    assert rules_in(scene(busy), "eas", "http") == {"eas.throttled"}
    assert not found(scene(ask("Sync", None, status="503 Busy", kind=HTML)), "eas.throttled")


def test_heartbeat_adjust_and_its_near_miss() -> None:
    adjusted = document("Ping", "Ping", ("Ping", "Status", "5"), ("Ping", "HeartbeatInterval", "480"))
    finding = one(scene(ask("Ping", adjusted, asked=PING)), "eas.heartbeat-adjust", Severity.INFO)
    assert "480 s instead of 900 s" in finding.summary
    assert not found(scene(status_of("Ping", 1, asked=PING)), "eas.heartbeat-adjust")


def test_ping_resync_is_a_note_and_a_loop_a_warning() -> None:
    told = status_of("Ping", 7, asked=PING)
    one(scene(told, folder_sync("4")), "eas.ping-resync", Severity.INFO)
    one(scene(*[told] * 3), "eas.ping-resync", Severity.WARNING)
    one(scene(sync("17", 12)), "eas.ping-resync", Severity.INFO)
    assert not found(scene(status_of("Ping", 2, asked=PING), sync("17", 7)), "eas.ping-resync")


def test_sync_key_loop_needs_three_restarts() -> None:
    rounds = [sync("17", 3), sync("0")]
    one(scene(*rounds * 3), "eas.sync-key-loop", Severity.WARNING)
    assert not found(scene(*rounds * 2), "eas.sync-key-loop")
    assert not found(scene(*[sync("17", 3)] * 5), "eas.sync-key-loop")
    one(scene(*[folder_sync("4", 9), folder_sync("0")] * 3), "eas.sync-key-loop", Severity.WARNING)


def test_sync_state_invalid_is_a_warning_from_three() -> None:
    invalid = status_of("FolderSync", 132)
    mended = one(scene(invalid, folder_sync("0")), "eas.sync-state-invalid", Severity.INFO)
    assert "synchronises again" in mended.summary
    one(scene(*[invalid] * 3), "eas.sync-state-invalid", Severity.WARNING)
    one(scene(*[invalid] * 2), "eas.sync-state-invalid", Severity.INFO)
    assert not found(scene(status_of("FolderSync", 137)), "eas.sync-state-invalid")


def test_xml_error_by_field_and_by_400() -> None:
    said = ask("Sync", None, "X-MS-ASError: Your version is not in the list", status="400 Bad Request", kind=HTML)
    finding = one(scene(said), "eas.xml-error", Severity.ERROR)
    assert "Your version is not in the list" in finding.summary
    one(scene(ask("Sync", None, status="400 Bad Request", kind=HTML)), "eas.xml-error", Severity.ERROR)
    by_device = ask("Sync", None, status="400 Bad Request", kind=HTML, reached=False)
    assert not found(scene(by_device), "eas.xml-error")


def waiting(*times: float, client: str = "192.0.2.10", end: str = "server-rst", repeats: bool = False) -> Scene:
    """Pings whose connections end after so many seconds; with `repeats`, those after the first have no body."""
    made = Scene()
    for number, seconds in enumerate(times):
        begin = http_request(f"POST {target('Ping')}", [WBXML], b"" if repeats and number else PING)
        port = made.dialogue([C(begin)], client=client, end="open")
        made.now += seconds
        _end(made, port, client, end, len(begin))
    made.silence(60)
    return made


def _end(made: Scene, port: int, client: str, end: str, length: int) -> None:
    here, there = (client, port), ("198.51.100.20", 80)
    if end == "server-rst":
        made.add(Segment(there, here, 5_001, 1_001 + length, RST | ACK).frame())
    else:
        made.add(Segment(here, there, 1_001 + length, 5_001, FIN | ACK).frame())


def test_direct_push_cut_at_a_constant_time() -> None:
    finding = one(waiting(300, 301, 300.5), "eas.direct-push-cut", Severity.WARNING)
    assert "cut after 300 s" in finding.summary
    assert rules_in(waiting(300, 301, 300.5), "eas", "tcp") == {"eas.direct-push-cut", "tcp.idle-timeout"}
    assert "heartbeat of 900 s" in finding.summary


def test_direct_push_cut_of_pings_that_repeat_the_first() -> None:
    one(waiting(300, 301, repeats=True), "eas.direct-push-cut", Severity.WARNING)
    one(waiting(300, 301, 299, end="client-fin"), "eas.direct-push-cut", Severity.WARNING)


def test_direct_push_cut_is_silent_for_other_ends() -> None:
    by_chance = waiting(300, 301, 120, 411, 700)
    by_devices = waiting(300, 301, end="client-fin")
    others = (waiting(300), waiting(120, 411, 700), waiting(899, 899.5), waiting(1, 1.2, 1.1))
    for made in (*others, by_chance, by_devices):
        assert not found(made, "eas.direct-push-cut")


def test_versions_by_options_and_its_near_misses() -> None:
    options = [
        C(http_request("OPTIONS /Microsoft-Server-ActiveSync")),
        S(http_response("200 OK", ["MS-ASProtocolVersions: 2.5,12.0,12.1", *FRONT_END])),
    ]
    refused = ask("Sync", None, status="400 Bad Request", version="16.1", kind=HTML)
    finding = one(scene(options, refused), "eas.versions", Severity.WARNING)
    assert "16.1" in finding.summary
    assert "2.5, 12.0, 12.1" in finding.summary
    fits = ask("Sync", None, status="400 Bad Request", version="12.1", kind=HTML)
    assert not found(scene(options, fits), "eas.versions")
    assert not found(scene(refused), "eas.versions")


def test_monitors_get_notes_only() -> None:
    said = status_of("FolderSync", 126)
    probe = [C(said[0].data.replace(b"MS-ASProtocolVersion", b"X-ProbeType: EAS\r\nMS-ASProtocolVersion")), said[1]]
    one(scene(probe), "eas.user-disabled", Severity.INFO)
