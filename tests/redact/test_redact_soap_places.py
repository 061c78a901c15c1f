"""Secrets in SOAP, EWS and Autodiscover: a marker in each place, sought in every output in every guise."""

from __future__ import annotations

import base64
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from autodiscover_dialogues import GOOD, pox_request
from cli_runs import run
from exchange_dialogues import EWS, dialogue, ews_fault, ews_success, free_busy, ok, post, soap
from packets import C, S, Scene, http_request, http_response

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "Tr0ub4dor-soap-marker-7"
ENCODED = base64.b64encode(f"some {MARKER} bytes".encode()).decode()

IN_SECURITY = {
    "Password": "<o:UsernameToken><o:Username>svc@contoso.com</o:Username><o:Password>{}</o:Password>"
    "</o:UsernameToken>",
    "Nonce": "<o:UsernameToken><o:Username>a</o:Username><o:Nonce>{}</o:Nonce></o:UsernameToken>",
    "BinarySecurityToken": "<o:BinarySecurityToken ValueType='x'>{}</o:BinarySecurityToken>",
    "Assertion": "<saml:Assertion xmlns:saml='urn:saml'><saml:Name>{}</saml:Name></saml:Assertion>",
    "CipherValue": "<x:EncryptedData xmlns:x='urn:x'><x:CipherValue>{}</x:CipherValue></x:EncryptedData>",
    "SignatureValue": "<ds:Signature xmlns:ds='urn:ds'><ds:SignatureValue>{}</ds:SignatureValue></ds:Signature>",
    "BinarySecret": "<w:BinarySecret xmlns:w='urn:w'>{}</w:BinarySecret>",
    "Entropy": "<w:Entropy xmlns:w='urn:w'><w:BinarySecret>{}</w:BinarySecret></w:Entropy>",
}
IN_HEADER = {
    "SerializedSecurityContext": "<t:SerializedSecurityContext><t:UserSid>{}</t:UserSid></t:SerializedSecurityContext>",
}
IN_BODY = {
    "RequestedSecurityToken": "<w:RequestedSecurityToken xmlns:w='urn:w'>{}</w:RequestedSecurityToken>",
    "RequestedProofToken": "<w:RequestedProofToken xmlns:w='urn:w'><w:X>{}</w:X></w:RequestedProofToken>",
    "TokenValue": "<t:ClientAccessToken><t:Id>1</t:Id><t:TokenValue>{}</t:TokenValue></t:ClientAccessToken>",
    "SubscriptionId": "<m:SubscriptionId>{}</m:SubscriptionId>",
    "Subject": "<t:Message><t:Subject>{}</t:Subject></t:Message>",
    "Body": "<t:Message><t:Body BodyType='HTML'>&lt;p&gt;{}&lt;/p&gt;</t:Body></t:Message>",
    "TextBody": "<t:Message><t:TextBody BodyType='Text'>{}</t:TextBody></t:Message>",
    "MimeContent": "<t:Message><t:MimeContent CharacterSet='UTF-8'>{}</t:MimeContent></t:Message>",
    "Content": "<t:FileAttachment><t:Name>a.txt</t:Name><t:Content>{}</t:Content></t:FileAttachment>",
    "FreeBusySubject": "<t:CalendarEventDetails><t:Subject>{}</t:Subject></t:CalendarEventDetails>",
    "ConversationTopic": "<t:Conversation><t:ConversationTopic>{}</t:ConversationTopic></t:Conversation>",
    "Preview": "<t:Message><t:Preview>{}</t:Preview></t:Message>",
    "Reply": "<t:InternalReply><t:Message>{}</t:Message></t:InternalReply>",
    "Headers": "<t:InternetMessageHeaders><t:Header>{}</t:Header></t:InternetMessageHeaders>",
    "Property": "<t:ExtendedProperty><t:Value>{}</t:Value></t:ExtendedProperty>",
}
EVERYWHERE = (
    [("header", f"<o:Security xmlns:o='urn:o'>{each}</o:Security>") for each in IN_SECURITY.values()]
    + [("header", each) for each in IN_HEADER.values()]
    + [("body", each) for each in IN_BODY.values()]
)
NAMES = [*IN_SECURITY, *IN_HEADER, *IN_BODY]


def guises(secret: str) -> list[str]:
    """Plain, percent, hexadecimal, UTF-16, and the stable parts of Base64 in three alignments."""
    found = [secret, quote(secret, safe=""), secret.encode().hex(), secret.encode("utf-16-le").decode("latin-1")]
    for data in (secret.encode(), secret.encode("utf-16-le")):
        for pad in range(3):
            text = base64.b64encode(bytes(pad) + data).decode().rstrip("=")
            found.append(text[4 if pad else 0 : -4])
    return found


def outputs(scene: Scene, folder: Path) -> bytes:
    """All documents of a capture, with contents where they have them."""
    capture = folder / "scene.pcap"
    capture.write_bytes(scene.pcap())
    names = ("a.txt", "a.json", "a.jsonl", "a.html", "a.har", "a.saz")
    wanted = [argument for name in names for argument in ("-o", folder / name)]
    result = run(capture, "--verbose", *wanted)
    assert result.exit_code == 0, result.output
    archive = zipfile.ZipFile(folder / "a.saz")
    inside = b"".join(archive.read(each) for each in archive.namelist())
    return b"".join((folder / name).read_bytes() for name in names) + inside + result.stdout_bytes + result.stderr_bytes


def assert_hidden(shown: bytes) -> None:
    for guise in guises(MARKER):
        assert guise.encode("latin-1", "replace") not in shown, guise


@pytest.mark.parametrize(("where", "element"), EVERYWHERE, ids=NAMES)
@pytest.mark.parametrize("secret", [MARKER, ENCODED], ids=["plain", "base64"])
def test_a_secret_in_an_envelope_is_in_no_output(where: str, element: str, secret: str, tmp_path: Path) -> None:
    inside = element.format(secret)
    envelope = soap("<m:GetItem/>", inside) if where == "header" else soap(f"<m:GetItem>{inside}</m:GetItem>")
    scene = Scene()
    answer = ok(soap(f"<m:GetItemResponse>{inside}</m:GetItemResponse>"))
    scene.dialogue(dialogue([(post(EWS, envelope), answer), (post(EWS, envelope), None)]))
    shown = outputs(scene, tmp_path)
    assert_hidden(shown)
    assert b"GetItem" in shown


def test_a_secret_survives_no_encoding_of_the_envelope(tmp_path: Path) -> None:
    header = (
        f"<o:Security xmlns:o='urn:o'><o:UsernameToken><o:Password>{MARKER}</o:Password></o:UsernameToken></o:Security>"
    )
    wide = ('<?xml version="1.0" encoding="utf-16"?>' + soap("<m:GetItem/>", header).decode()).encode("utf-16")
    damaged = soap("<m:GetItem/>", header)[:-30]
    scene = Scene()
    for content in (wide, damaged):
        request = http_request(f"POST {EWS}", ("Content-Type: text/xml",), content)
        scene.dialogue([C(request), S(http_response("500 Error"))])
    assert_hidden(outputs(scene, tmp_path))


def test_a_secret_of_the_request_is_hidden_where_the_answer_repeats_it(tmp_path: Path) -> None:
    header = f"<o:Security xmlns:o='urn:o'><o:BinarySecurityToken>{MARKER}</o:BinarySecurityToken></o:Security>"
    fault = ews_fault("ErrorInvalidToken", f"The token {MARKER} is not valid.")
    scene = Scene()
    scene.dialogue(dialogue([(post(EWS, soap("<m:GetItem/>", header)), ok(fault, status="500 Error"))]))
    shown = outputs(scene, tmp_path)
    assert_hidden(shown)
    assert b"ErrorInvalidToken" in shown


def test_urls_of_autodiscover_lose_their_tokens(tmp_path: Path) -> None:
    location = f"Location: https://mail.contoso.com/autodiscover/autodiscover.xml?token={MARKER}"
    scene = Scene()
    pairs = [(pox_request(), http_response("302 Found", (location,))), (pox_request(), GOOD)]
    scene.dialogue(dialogue(pairs))
    v2 = http_request(f"GET /autodiscover/autodiscover.json?Email=a@contoso.com&Protocol=Ews&access_token={MARKER}")
    legacy = http_request(f"GET /public/?cmd=freebusy&u=SMTP:a@contoso.com&password={MARKER}")
    scene.dialogue(dialogue([(v2, http_response("200 OK")), (legacy, http_response("200 OK"))]))
    assert_hidden(outputs(scene, tmp_path))


def test_what_an_admin_needs_stays(tmp_path: Path) -> None:
    header = f"<o:Security xmlns:o='urn:o'>{IN_SECURITY['Password'].format(MARKER)}</o:Security>"
    scene = Scene()
    scene.dialogue(dialogue([(post(EWS, soap("<m:GetFolder/>", header)), ok(ews_success("GetFolder")))]))
    scene.dialogue(dialogue([(post(EWS, soap("<m:GetUserAvailabilityRequest/>")), ok(free_busy(("NoError", ""))))]))
    shown = outputs(scene, tmp_path)
    assert_hidden(shown)
    for word in (b"svc@contoso.com", b"UsernameToken", b"GetUserAvailability", b"NoError"):
        assert word in shown
