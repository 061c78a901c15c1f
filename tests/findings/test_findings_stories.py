"""Stories over connections: the search for Autodiscover, and the chain of a request for free/busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autodiscover_dialogues import GOOD, pox_error, pox_redirect, pox_request
from dns_dialogues import lookup
from exchange_dialogues import EWS, HTML, availability, basic, dialogue, free_busy, ok, post, soap
from packets import SYN, C, S, Scene, Segment, http_request, http_response
from tls_dialogues import identity, public_identity, tls

from tlsdecrypt.findings import story
from tlsdecrypt.findings.detective import Detective
from tlsdecrypt.findings.storytellers import tell_stories
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.stories_document import stories_document
from tlsdecrypt.report.text_stories import story_lines
from tlsdecrypt.report.text_view import TextView

if TYPE_CHECKING:
    import pytest

    from tlsdecrypt.findings.story import Story

USER, OTHER = "10.1.1.50", "10.1.1.51"
ROOT, MAIL, CLOUD = "203.0.113.80", "203.0.113.25", "203.0.113.200"
ROUTING = "avery@contoso.mail.onmicrosoft.com"


def stories_of(scene: Scene, **given: object) -> list[Story]:
    analysis = scene.analysis(**given)
    detective = Detective([])
    for conversation in analysis.conversations:
        detective.take(conversation)
    detective.finish(analysis.captures, analysis.surroundings)
    return [each for each in tell_stories(detective.scene) if each.kind != "authentication"]  # told in tests of its own


def legs_of(told: Story) -> list[tuple[str, str, str]]:
    return [(leg.what, leg.outcome, leg.state) for leg in told.legs]


def a_search() -> Scene:
    """The root domain's web server, a redirect on premises, and the cloud that stays encrypted."""
    scene = Scene()
    lookup(scene, USER, "contoso.com", ROOT)
    page = http_response("404 Not Found", ("Server: Apache/2.4", HTML), b"<html/>")
    scene.dialogue(dialogue([(pox_request(host="contoso.com"), page)]), client=USER, server=ROOT)
    lookup(scene, USER, "autodiscover.contoso.com", MAIL)
    first = (
        pox_request(),
        http_response("401 Unauthorized", ("WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM")),
    )
    scene.dialogue(
        dialogue([first, (pox_request("avery@contoso.com", basic("avery")), pox_redirect(ROUTING))]),
        client=USER,
        server=MAIL,
    )
    lookup(scene, USER, "autodiscover.contoso.mail.onmicrosoft.com", kind="AAAA")
    lookup(scene, USER, "autodiscover.contoso.mail.onmicrosoft.com", CLOUD)
    cloud = public_identity("*.outlook.com", ["*.outlook.com"])
    said = tls((C(b"hidden"), S(b"hidden")), cloud, name="autodiscover-s.outlook.com")
    scene.dialogue(said, client=USER, server=CLOUD, port=443)
    scene.silence(5)
    return scene


def test_a_search_is_told_over_all_connections_in_order() -> None:
    [told] = stories_of(a_search())
    assert (told.kind, told.client) == ("autodiscover", USER)
    assert told.title == f"Autodiscover of {USER} for avery@contoso.com"
    assert legs_of(told) == [
        ("DNS contoso.com A", f"A {ROOT}", "goes on"),
        ("POST http://contoso.com/autodiscover/autodiscover.xml for avery@contoso.com", "HTTP 404 (Apache/2.4)", "bad"),
        ("DNS autodiscover.contoso.com A", f"A {MAIL}", "goes on"),
        (
            "POST http://autodiscover.contoso.com/autodiscover/autodiscover.xml for avery@contoso.com",
            "401, offers Negotiate, NTLM",
            "goes on",
        ),
        (
            "POST http://autodiscover.contoso.com/autodiscover/autodiscover.xml for avery@contoso.com",
            f"redirect to {ROUTING}",
            "goes on",
        ),
        ("DNS autodiscover.contoso.mail.onmicrosoft.com AAAA/A", f"A {CLOUD}", "goes on"),
        (f"TLS autodiscover-s.outlook.com ({CLOUD}:443)", "stays encrypted: nobody can tell", "unknown"),
    ]
    assert told.state == "unknown"
    assert told.verdict.startswith("it goes on where it stays encrypted: TLS autodiscover-s.outlook.com")
    assert len(told.connections) == 3


def test_settings_end_a_search_and_somebody_else_begins_another() -> None:
    scene = Scene()
    scene.dialogue(
        dialogue([(pox_request("avery@contoso.com"), GOOD), (pox_request("blake@contoso.com"), pox_error(500))])
    )
    first, second = stories_of(scene)
    assert (first.state, first.verdict) == (
        "good",
        "settings from http://autodiscover.contoso.com/autodiscover/autodiscover.xml",
    )
    assert second.state == "bad"
    assert second.verdict.endswith("error 500: no")


def test_a_pause_ends_a_search_and_clients_are_told_apart() -> None:
    scene = Scene()
    scene.dialogue(dialogue([(pox_request(), pox_error(500))]), client=USER)
    scene.silence(61)
    scene.dialogue(dialogue([(pox_request(), GOOD)]), client=USER)
    scene.dialogue(dialogue([(pox_request(), GOOD)]), client=OTHER)
    assert [(each.client, each.state) for each in stories_of(scene)] == [(USER, "bad"), (USER, "good"), (OTHER, "good")]


def test_the_lowest_layer_that_fails_is_named_first() -> None:
    scene = Scene()
    scene.dialogue(
        dialogue([(pox_request(host="contoso.com"), http_response("404 Not Found"))]), client=USER, server=ROOT
    )
    lookup(scene, USER, "autodiscover.contoso.com", MAIL)
    for _ in range(3):
        scene.add(Segment((USER, 55_000), (MAIL, 443), 7, 0, SYN).frame(), 1.0)
    wrong = public_identity("www.contoso.com", ["www.contoso.com"])
    scene.dialogue(
        tls((C(b"x"),), wrong, name="autodiscover.contoso.com", trusts=identity("CN=Another")),
        client=USER,
        server=CLOUD,
        port=443,
    )
    lookup(scene, USER, "_autodiscover._tcp.contoso.com", kind="SRV", rcode="NXDOMAIN")
    scene.silence(10)
    [told] = stories_of(scene)
    assert told.verdict == ("no settings; the first layer that fails: DNS _autodiscover._tcp.contoso.com SRV: NXDOMAIN")
    outcomes = [leg.outcome for leg in told.legs]
    assert outcomes == ["HTTP 404", f"A {MAIL}", "no answer", "the client breaks off: unknown_ca", "NXDOMAIN"]


def test_other_web_sites_of_the_client_are_no_part_of_it() -> None:
    scene = a_search()
    scene.dialogue(dialogue([(http_request("GET /news"), http_response("200 OK"))]), client=USER, server=ROOT)
    lookup(scene, USER, "www.example.org", "203.0.113.99")
    assert len(stories_of(scene)[0].legs) == 7


def test_a_capture_without_autodiscover_has_no_story() -> None:
    scene = Scene()
    lookup(scene, USER, "www.example.org", "203.0.113.99")
    scene.dialogue(dialogue([(http_request("GET /"), http_response("200 OK"))]))
    assert stories_of(scene) == []


def test_long_stories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from tlsdecrypt.findings import autodiscover_journey  # noqa: PLC0415 - to be patched

    monkeypatch.setattr(autodiscover_journey, "MAX_LEGS", 5)
    scene = Scene()
    scene.dialogue(dialogue([(pox_request(), pox_error(500))] * 8))
    [told] = stories_of(scene)
    assert (len(told.legs), told.left_out) == (5, 3)
    assert story.MAX_LEGS == 100


CAS, GATE, REMOTE = "10.1.1.20", "203.0.113.40", "10.2.2.20"
ASK = availability("casey@fabrikam.com")
FEDERATED = soap(
    "<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>casey@fabrikam.com</t:Address>"
    "</t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>",
    "<o:Security xmlns:o='urn:o'><x:EncryptedData xmlns:x='urn:x'>c2VjcmV0</x:EncryptedData></o:Security>",
)


def nested(scene: Scene, inside: list[tuple[bytes, bytes, str, str]], outer: tuple[bytes, bytes]) -> None:
    """A question that waits for its answer while other connections come and go."""
    scene.now = 0.1
    for request, response, client, server in inside:
        scene.dialogue([C(request), S(response)], client=client, server=server)
    end = scene.now
    scene.now = 0.0
    scene.dialogue([C(outer[0], after=0.0001), S(outer[1], after=end + 0.5)], client=USER, server=CAS)
    scene.silence(5)


def test_a_chain_tells_who_asked_whom_with_which_token_and_which_leg_broke() -> None:
    scene = Scene()
    refused = http_response("401 Unauthorized", ("WWW-Authenticate: Basic realm=gate", "Via: 1.1 TMG01"))
    failed = ok(free_busy(("ErrorProxyRequestProcessingFailed", "HTTP status 401")))
    inside = [(post(f"{EWS}/WSSecurity", FEDERATED, host="mail.fabrikam.com"), refused, CAS, GATE)]
    nested(scene, inside, (post(EWS, ASK, basic("kim@contoso.com")), failed))
    [told] = [each for each in stories_of(scene) if each.kind == "free-busy"]
    assert [leg.state for leg in told.legs] == ["bad", "bad"]
    assert told.legs[0].what == (
        f"{USER} asks mail.contoso.com ({CAS}) for the free/busy of casey@fabrikam.com, with Basic as kim@contoso.com"
    )
    assert told.legs[1].what == (
        f"{CAS} asks mail.fabrikam.com ({GATE}) for the free/busy of casey@fabrikam.com,"
        " with a federation token in the SOAP header"
    )
    assert told.verdict.startswith("leg 2 broke:")
    assert "TMG01" in told.legs[1].outcome


def test_a_leg_whose_token_is_refused_says_why() -> None:
    scene = Scene()
    why = 'x-ms-diagnostics: 2000004;reason="The tenant is not known";error_category="invalid_tenant"'
    refused = http_response("401 Unauthorized", ("WWW-Authenticate: Bearer", why))
    asks = post(EWS, FEDERATED, "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", host="outlook.office365.com")
    failed = ok(free_busy(("ErrorProxyRequestProcessingFailed", "HTTP status 401")))
    nested(scene, [(asks, refused, CAS, GATE)], (post(EWS, ASK, basic("kim@contoso.com")), failed))
    [told] = [each for each in stories_of(scene) if each.kind == "free-busy"]
    assert told.legs[1].outcome.endswith(": The tenant is not known")


def test_a_chain_that_works_says_so_and_goes_down_to_the_last_server() -> None:
    scene = Scene()
    shown = ok(free_busy(("NoError", "")))
    scene.now = 0.2
    scene.dialogue([C(post(f"{EWS}/WSSecurity", FEDERATED)), S(shown)], client=GATE, server=REMOTE)
    end = scene.now
    scene.now = 0.1
    scene.dialogue([C(post(f"{EWS}/WSSecurity", FEDERATED)), S(shown, after=end)], client=CAS, server=GATE)
    end = scene.now
    scene.now = 0.0
    scene.dialogue([C(post(EWS, ASK)), S(shown, after=end)], client=USER, server=CAS)
    scene.silence(5)
    [told] = stories_of(scene)
    assert (told.state, told.verdict) == ("good", "it was shown")
    assert [leg.what.split()[2] for leg in told.legs] == ["mail.contoso.com"] * 3
    assert [leg.what.split()[0] for leg in told.legs] == [USER, CAS, GATE]


def test_a_device_with_two_addresses_is_one_hop_of_the_chain() -> None:
    scene = Scene()
    scene.now = 0.1
    shown = ok(free_busy(("NoError", "")))
    request = post(f"{EWS}/WSSecurity", FEDERATED)
    scene.dialogue([C(request), S(shown)], client="10.9.9.1", server=REMOTE)
    end = scene.now
    scene.now = 0.0
    scene.dialogue([C(request, after=0.0001), S(shown, after=end)], client=CLOUD, server=GATE)
    scene.silence(5)
    [told] = stories_of(scene)
    assert [leg.what.split()[0] for leg in told.legs] == [CLOUD, "10.9.9.1"]


def test_the_same_question_of_two_users_is_two_stories() -> None:
    scene = Scene()
    failed = ok(free_busy(("ErrorNoFreeBusyAccess", "")))
    for client in (USER, OTHER):
        scene.dialogue([C(post(EWS, ASK)), S(failed)], client=client, server=CAS)
    assert len(stories_of(scene)) == 2


def test_a_question_to_one_server_that_works_is_no_story() -> None:
    scene = Scene()
    scene.dialogue(dialogue([(post(EWS, ASK), ok(free_busy(("NoError", ""))))]))
    assert stories_of(scene) == []


def test_the_way_to_the_cloud_is_a_leg_that_nobody_can_read() -> None:
    scene = Scene()
    scene.now = 0.1
    cloud = public_identity("*.outlook.com", ["*.outlook.com"])
    said = tls((C(b"hidden"), S(b"hidden")), cloud, name="outlook.office365.com")
    scene.dialogue(said, client=CAS, server=CLOUD, port=443)
    end = scene.now
    scene.now = 0.0
    scene.dialogue([C(post(EWS, ASK)), S(ok(free_busy(("NoError", ""))), after=end)], client=USER, server=CAS)
    [told] = stories_of(scene)
    assert told.legs[1].what == f"{CAS} connects to outlook.office365.com ({CLOUD}:443) (the cloud)"
    assert told.legs[1].state == "unknown"


def test_stories_read_as_numbered_lines_and_as_values_without_secrets() -> None:
    stories = stories_of(a_search())
    lines = list(story_lines(stories, TextView(Redactor(), 200)))
    texts = ["  ".join(part for part, _ in each.parts) for each in lines]
    assert texts[0] == "Stories"
    assert texts[2].startswith("1.  +0.0 ms  DNS contoso.com A  A 203.0.113.80  #1-#2")
    [document] = stories_document(stories, Redactor())
    assert [leg["number"] for leg in document["legs"]] == list(range(1, 8))
    assert document["legs"][1]["connection"] == 1
    assert "Tr0ub4dor" not in repr((lines, document))
    assert list(story_lines([], TextView(Redactor(), 80))) == []
