"""Secrets of logins: a marker in each place where HTTP, OAuth, SAML or PowerShell carry one, sought in every output."""

from __future__ import annotations

import base64
import json
import zipfile
import zlib
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from cli_runs import run
from der_writing import kerberos_token, neg_token_resp
from login_dialogues import ask, b64, basic, ntlm, scene_of
from ntlm_peers import ntlm_login
from packets import C, S, http_request, http_response
from spnego._ntlm_raw.messages import Authenticate, Challenge
from trust_messages import SECRET, XML, token_request, token_response
from wsman_peers import command_request, create_request

if TYPE_CHECKING:
    from pathlib import Path

    from packets import Say

MARKER = SECRET
FORM = "Content-Type: application/x-www-form-urlencoded"
SOAP = "Content-Type: application/soap+xml;charset=UTF-8"
SHORTEST = 8  # bytes of a guise: shorter ones stand anywhere by chance
NAMES = ("a.txt", "a.json", "a.jsonl", "a.html", "a.har", "a.saz")


def guises(secret: bytes) -> list[bytes]:
    """Plain, percent, hexadecimal, and the stable parts of Base64 in three alignments; of text in UTF-16 too."""
    found = [secret, quote(secret, safe="").encode(), secret.hex().encode(), secret.hex().upper().encode()]
    wide = secret.decode("latin-1").encode("utf-16-le")
    for data in (secret, wide):
        for pad in range(3):
            text = base64.b64encode(bytes(pad) + data).rstrip(b"=")
            found.append(text[4 if pad else 0 : -4])
    return [each for each in (*found, wide) if len(each) >= SHORTEST]


def both_ways(kind: str, content: bytes) -> list[Say]:
    """A request and an answer with the same content."""
    fields = [f"Content-Type: {kind}"]
    return [C(http_request("POST /a", fields, content)), S(http_response("200 OK", fields, content))]


def outputs(said: list[Say], folder: Path) -> bytes:
    """All documents of a capture, with contents where they have them."""
    (folder / "scene.pcap").write_bytes(scene_of(said).pcap())
    wanted = [argument for name in NAMES for argument in ("-o", folder / name)]
    result = run(folder / "scene.pcap", "--verbose", *wanted)
    assert result.exit_code == 0, result.output
    archive = zipfile.ZipFile(folder / "a.saz")
    inside = b"".join(archive.read(each) for each in archive.namelist())
    return b"".join((folder / name).read_bytes() for name in NAMES) + inside + result.stdout_bytes + result.stderr_bytes


def assert_hidden(shown: bytes, *secrets: bytes) -> None:
    for secret in secrets or (MARKER.encode(),):
        for guise in guises(secret):
            assert guise not in shown, guise


def jwt(signature: str = MARKER, **claims: str) -> str:
    parts = ({"alg": "RS256", "kid": "key-1"}, {"aud": "https://mail.contoso.com", **claims})
    coded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts]
    return ".".join([*coded, base64.urlsafe_b64encode(signature.encode()).decode().rstrip("=")])


@pytest.mark.parametrize(
    ("authorization", "visible"),
    [
        (basic("avery@contoso.com", MARKER), b"avery@contoso.com"),
        (f"Authorization: Bearer {jwt(upn='avery@contoso.com')}", b"avery@contoso.com"),
        (f"Authorization: Bearer {jwt(upn='avery@contoso.com', actortoken=jwt(appid='00000002'))}", b"00000002"),
        (f"Authorization: PoP {jwt(at=jwt(upn='avery@contoso.com'))}", b"avery@contoso.com"),
        (f'Authorization: MSAuth1.0 actortoken="Bearer {jwt(appid="00000002")}", type="PFAT"', b"00000002"),
        (f"Authorization: Bearer opaque-{MARKER}-token", b"Bearer"),
        (f"Authorization: Negotiate {b64(kerberos_token('HTTP', 'mail', cipher=MARKER.encode() * 3))}", b"HTTP/mail"),
    ],
)
def test_a_credential_shows_who_and_not_what_proves_it(authorization: str, visible: bytes, tmp_path: Path) -> None:
    shown = outputs([*ask(authorization), *ask(authorization, "200 OK", [])], tmp_path)
    assert_hidden(shown)
    assert visible in shown


def test_what_cracks_an_ntlm_login_is_in_no_output(tmp_path: Path) -> None:
    tokens = ntlm_login(b"a certificate")
    proof, challenge = Authenticate.unpack(tokens[2]), Challenge.unpack(tokens[1])
    response = proof.nt_challenge_response
    assert response is not None
    assert proof.encrypted_random_session_key is not None
    assert proof.mic is not None
    shown = outputs(ntlm(tokens, "200 OK"), tmp_path)
    secrets = [
        response[:16],
        response[16:44],
        proof.mic,
        proof.encrypted_random_session_key,
        challenge.server_challenge,
    ]
    assert_hidden(shown, *secrets, *tokens[1:])
    for word in (b"CONTOSO", b"avery", b"NTLMv2", b"HTTP/mail.contoso.com"):
        assert word in shown


@pytest.mark.parametrize("scheme", ["Negotiate", "NTLM", "Kerberos"])
def test_the_last_token_of_the_server_is_hidden(scheme: str, tmp_path: Path) -> None:
    token = b64(neg_token_resp(0, MARKER.encode()))
    shown = outputs(
        ask(f"Authorization: {scheme} {b64(b'x' * 40)}", "200 OK", [f"WWW-Authenticate: {scheme} {token}"]), tmp_path
    )
    assert_hidden(shown)


@pytest.mark.parametrize("padding", range(3))
@pytest.mark.parametrize(
    "form",
    [
        "Authorization: Negotiate {}",
        "Authorization: Bearer {}",
        "Authorization: Custom {}",
        "Authorization: Negotiate {}, x",
        "Authorization: Custom a=b, {}",
        "WWW-Authenticate: Negotiate {}, NTLM",
        'WWW-Authenticate: Basic realm="x", NTLM {}',
        "Proxy-Authorization: Negotiate {}",
        "Proxy-Authenticate: Negotiate {}",
        "Proxy-Authenticate: NTLM, Negotiate {}",
        "Authentication-Info: Negotiate {}",
    ],
)
def test_a_token_whose_padding_looks_like_a_parameter_is_hidden(form: str, padding: int, tmp_path: Path) -> None:
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        field = form.format(b64(b"\x01" * padding + MARKER.encode() * times))
        said = ask(field) if "Authorization" in field else ask(basic(password="other-secret"), offers=[field])
        assert_hidden(outputs(said, folder))


FORMS = {
    "client_secret": MARKER, "code": MARKER, "refresh_token": MARKER, "assertion": jwt(), "client_assertion": jwt(),
    "code_verifier": MARKER, "password": MARKER, "device_code": MARKER, "on_behalf_token": MARKER,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_token_request_hides_its_secret(name: str, tmp_path: Path) -> None:
    form = urlencode({"grant_type": "password", "client_id": "an-application", name: FORMS[name]}).encode()
    answer = json.dumps({"error": "invalid_grant", "error_description": f"AADSTS9: bad {FORMS[name]}"}).encode()
    said = [
        C(http_request("POST /contoso.com/oauth2/token", [FORM], form)),
        S(http_response("400 Bad", ["Content-Type: application/json"], answer)),
    ]
    shown = outputs(said, tmp_path)
    assert_hidden(shown)
    assert b"an-application" in shown


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token"])
def test_a_token_answer_hides_its_tokens(name: str, tmp_path: Path) -> None:
    for number, token in enumerate((jwt(upn="avery@contoso.com"), f"0.{MARKER}")):
        folder = tmp_path / str(number)
        folder.mkdir()
        answer = json.dumps({"token_type": "Bearer", "expires_in": 3599, name: token}).encode()
        said = [
            C(http_request("POST /contoso.com/oauth2/token", [FORM], b"grant_type=authorization_code")),
            S(http_response("200 OK", ["Content-Type: application/json"], answer)),
        ]
        assert_hidden(outputs(said, folder))


def _deflated(text: str) -> str:
    deflate = zlib.compressobj(wbits=-15)
    return base64.b64encode(deflate.compress(text.encode()) + deflate.flush()).decode()


def test_sign_in_in_a_browser_hides_its_messages(tmp_path: Path) -> None:
    message = b64(
        f"<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol'>{MARKER}</samlp:Response>".encode()
    )
    request = _deflated(
        f"<samlp:AuthnRequest xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol'>{MARKER}</samlp:AuthnRequest>"
    )
    form = urlencode({"SAMLResponse": message, "RelayState": MARKER, "wresult": token_response(), "Password": MARKER})
    page = f'<form><input type="hidden" name="wresult" value="{escape(token_response())}"></form>'.encode()
    said = [
        C(http_request(f"GET /adfs/ls/?SAMLRequest={quote(request, safe='')}&RelayState={MARKER}&wctx={MARKER}")),
        S(http_response("200 OK", ["Content-Type: text/html"], page)),
        C(http_request("POST /adfs/ls/?wa=wsignin1.0", [FORM], form.encode())),
        S(http_response("302 Found", [f"Location: https://app.contoso.com/?code={MARKER}&wresult={MARKER}"])),
    ]
    shown = outputs(said, tmp_path)
    assert_hidden(shown)
    assert request.encode() not in shown
    assert b"wsignin1.0" in shown


def test_ws_trust_hides_password_and_token(tmp_path: Path) -> None:
    said = [
        C(http_request("POST /adfs/services/trust/2005/usernamemixed", [XML], token_request().encode())),
        S(http_response("200 OK", [XML], token_response().encode())),
    ]
    shown = outputs(said, tmp_path)
    assert_hidden(shown)
    assert b"urn:federation:MicrosoftOnline" in shown


def test_powershell_hides_the_values_of_parameters_and_scripts(tmp_path: Path) -> None:
    said = [
        C(http_request("POST /powershell?PSVersion=5.1", [SOAP], create_request())),
        S(http_response("200 OK", [SOAP], create_request())),
        C(http_request("POST /powershell?PSVersion=5.1", [SOAP], command_request())),
        S(http_response("200 OK", [SOAP], command_request())),
    ]
    shown = outputs(said, tmp_path)
    assert_hidden(shown)
    assert b"Set-HybridMailflow" in shown
