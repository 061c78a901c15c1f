"""No secret leaves by any door: a marker is put into every place, and sought in every form."""

from __future__ import annotations

import base64
import json
import struct
from html import unescape
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.http1 import Http1Decoder
from tlsdecrypt.flow import Direction, Span
from tlsdecrypt.redact import Redactor
from tlsdecrypt.redact.learned import LearnedSecrets

MARKER = "Tr0ub4dor&3-marker"


def base64_forms(secret: bytes) -> list[str]:
    """The part of Base64 that does not depend on what stands around, in the three alignments."""
    forms = []
    for alignment, unstable in enumerate((0, 2, 3)):
        text = base64.b64encode(b"\0" * alignment + secret + b"\0\0\0").decode()
        stop = (alignment + len(secret)) * 8 // 6
        forms.append(text[unstable:stop])
    return forms


LEAKS = [
    MARKER,
    quote(MARKER, safe=""),
    quote(quote(MARKER, safe=""), safe=""),
    MARKER.replace("&", "&amp;"),
    "\0".join(MARKER),
    *base64_forms(MARKER.encode()),
    *base64_forms(MARKER.encode("utf-16-le")),
]


def assert_hidden(shown: object) -> None:
    text = shown.decode("latin-1") if isinstance(shown, bytes) else json.dumps(shown, ensure_ascii=False)
    squeezed = "".join(text.split())
    for leak in LEAKS:
        assert leak not in squeezed, text
    assert "r0ub4dor" not in "".join(unescape(unquote_plus(unquote_plus(squeezed))).split()).replace("\0", ""), text


def ntlm_type_3(domain: str, user: str, workstation: str) -> str:
    """MS-NLMP section 2.2.1.3, with the marker in the place of the proof."""
    names = [each.encode("utf-16-le") for each in (domain, user, workstation)]
    proof = MARKER.encode()
    payload, offset, buffers = b"", 64, b""
    for part in (proof, proof, *names, b""):
        buffers += struct.pack("<HHI", len(part), len(part), offset + len(payload))
        payload += part
    message = b"NTLMSSP\0" + struct.pack("<I", 3) + buffers + struct.pack("<I", 1) + payload
    return base64.b64encode(message).decode()


def jwt(claims: dict[str, object]) -> str:
    parts = [{"alg": "RS256", "kid": "k1"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, base64.urlsafe_b64encode(MARKER.encode()).decode().rstrip("=")])


BASIC = base64.b64encode(f"avery@contoso.com:{MARKER}".encode()).decode()
FOLDED = base64.b64encode(f"CONTOSO\\avery:{MARKER}".encode()).decode()


@pytest.mark.parametrize(
    ("name", "value", "visible"),
    [
        ("Authorization", f"Basic {BASIC}", ["Basic user=avery@contoso.com password=<masked:password fp="]),
        ("AUTHORIZATION", f"basic  {BASIC}", ["user=avery@contoso.com"]),
        ("authorization", f"Basic {FOLDED[:20]} {FOLDED[20:]}", ["user=CONTOSO\\avery"]),
        ("Proxy-Authorization", f"NTLM {ntlm_type_3('CONTOSO', 'avery', 'PC01')}",
         ["NTLM type=3 domain=CONTOSO user=avery workstation=PC01"]),
        ("Authorization", f"Negotiate {ntlm_type_3('CONTOSO', 'avery', 'PC01')}", ["NTLM type=3", "user=avery"]),
        ("Authorization", f"Bearer {jwt({'aud': 'https://mail.contoso.com', 'upn': 'avery@contoso.com', 'exp': 1})}",
         ["Bearer", "alg=RS256", "kid=k1", "aud=https://mail.contoso.com", "upn=avery@contoso.com", "exp=1"]),
        ("Authorization", f"Bearer opaque-{MARKER}", ["Bearer <masked:token len=25"]),
        ("Authorization", f'Digest username="avery", realm="x", response="{MARKER}", cnonce="{MARKER}"',
         ['username="avery"', 'realm="x"', "response=<masked"]),
        ("Authorization", MARKER, ["<masked:"]),
        ("WWW-Authenticate", f"Negotiate {base64.b64encode(MARKER.encode()).decode()}", ["Negotiate"]),
        ("Cookie", f"cadata={MARKER}; UserContext={quote(MARKER)}", ["cadata=<masked:cookie len=18", "UserContext="]),
        ("Set-Cookie", f"X-BackEndCookie={MARKER}; path=/EWS; secure; HttpOnly", ["; path=/EWS; secure; HttpOnly"]),
        ("X-OWA-CANARY", MARKER, ["<masked:secret len=18"]),
        ("X-CommonAccessToken", MARKER, ["<masked:secret"]),
        ("x-ext-claims", MARKER, ["<masked:secret"]),
        ("Location", f"https://adfs.contoso.com/adfs/ls/?wa=wsignin1.0&wctx={quote(MARKER)}",
         ["wa=wsignin1.0", "wctx=<"]),
        ("Referer", f"https://user:{MARKER.replace('&', '%26')}@mail.contoso.com/owa",
         ["https://user:<masked", "@mail"]),
        ("Location", f"https://a.example/#access_token={quote(MARKER)}&token_type=bearer", ["token_type=bearer"]),
        ("X-Debug", f"password={MARKER} host=mail.contoso.com", ["host=mail.contoso.com"]),
        ("", f"Authorization Basic {BASIC}", ["<masked"]),
    ],
)  # fmt: skip
def test_fields_show_who_and_hide_what_proves_it(name: str, value: str, visible: list[str]) -> None:
    [[shown_name, shown]] = Redactor().fields([(name, value)])
    assert shown_name == name
    assert_hidden(shown)
    for each in visible:
        assert each in shown


@pytest.mark.parametrize(
    "value", ["Negotiate", "NTLM", 'Basic realm="mail.contoso.com"', 'Bearer client_id="0000", trusted_issuers="a@b"']
)
def test_challenges_without_a_token_stay(value: str) -> None:
    assert Redactor().fields([("WWW-Authenticate", value)]) == [["WWW-Authenticate", value]]


def test_an_ntlm_challenge_shows_its_target_only() -> None:
    name = "CONTOSO".encode("utf-16-le")
    message = b"NTLMSSP\0" + struct.pack("<IHHII", 2, len(name), len(name), 48, 1) + MARKER.encode()
    message += b"\0" * (48 - len(message)) + name
    [[_, shown]] = Redactor().fields([("WWW-Authenticate", "NTLM " + base64.b64encode(message).decode())])
    assert shown.startswith("NTLM NTLM type=2 target=CONTOSO <masked:token")
    assert_hidden(shown)


SAML = quote(base64.b64encode(MARKER.encode()).decode())


@pytest.mark.parametrize(
    ("target", "visible"),
    [
        (f"/owa/?code={quote(MARKER, safe='')}&client_id=abc", "client_id=abc"),
        (f"/CookieAuth.dll?GetLogon?curl={quote(MARKER, safe='')}&reason=0", "reason=0"),
        (f"/x?%70assword={quote(MARKER, safe='')}", "%70assword=<masked:password"),
        (f"/x?PassWord={quote(quote(MARKER, safe=''), safe='')}", "PassWord="),
        (f"/x?url={quote('https://a.example/?access_token=' + quote(MARKER, safe=''), safe='')}", "url=https://a.example"),
        (f"/owa/service.svc;jsessionid={quote(MARKER, safe='')}?a=b", "?a=b"),
        (f"/adfs/ls?SAMLRequest={SAML}&RelayState={quote(MARKER, safe='')}", "SAMLRequest=<masked"),
    ],
)  # fmt: skip
def test_targets_keep_their_parameter_names(target: str, visible: list[str]) -> None:
    shown = Redactor().target(target)
    assert_hidden(shown)
    assert visible in shown


@pytest.mark.parametrize(
    "target", ["/EWS/Exchange.asmx", "/rpc/rpcproxy.dll?mail.contoso.com:6001", "/a?Cmd=Sync&User=x"]
)
def test_targets_without_secrets_stay(target: str) -> None:
    assert Redactor().target(target) == target


FORM = f"destination=x&username=avery&password={quote_plus(MARKER)}&flags=4"
SOAP = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:w="urn:w"><s:Header><w:Security>
<w:UsernameToken><w:Username>avery</w:Username>
<w:Password Type="PasswordText">{MARKER.replace("&", "&amp;")}</w:Password>
<w:Nonce>{MARKER.replace("&", "&#38;")}</w:Nonce></w:UsernameToken>
<w:Assertion><w:Issuer>sts</w:Issuer><w:Assertion>inner</w:Assertion><![CDATA[{MARKER}]]></w:Assertion>
<BinarySecret>{base64.b64encode(MARKER.encode()).decode()[:9]}
{base64.b64encode(MARKER.encode()).decode()[9:]}</BinarySecret></w:Security></s:Header>
<s:Body><GetFolder note="{MARKER.replace("&", "&amp;")}"/><Body BodyType="Text">{MARKER}</Body></s:Body></s:Envelope>"""
JSON = json.dumps({"a": [{"client_secret": MARKER, "grant_type": "password"}], "code": 500, "echo": f"got {MARKER}"})
HTML = f'<html><form><input type="hidden" name="wresult" value="{MARKER.replace("&", "&amp;")}"><p>hi</p></form></html>'
MULTIPART = (
    '--b1\r\nContent-Disposition: form-data; name="password"\r\n\r\n' + MARKER + "\r\n"
    "--b1\r\nContent-Disposition: form-data; name=x\r\nContent-Type: application/json\r\n\r\n" + JSON + "\r\n--b1--\r\n"
)


@pytest.mark.parametrize(
    ("content", "content_type", "visible"),
    [
        (FORM, "application/x-www-form-urlencoded", ["username=avery", "password=<masked:password", "flags=4"]),
        (SOAP, "text/xml; charset=utf-8", ["<w:Username>avery</w:Username>", "<w:Password Type=", "</s:Envelope>"]),
        (SOAP, None, ["[masked:password fp="]),
        (SOAP[: SOAP.index("</w:Nonce>")], "text/xml", ["<w:Nonce>[masked:secret"]),
        (JSON, "application/json", ['"client_secret":"<masked:token', '"grant_type":"password"', '"code":500']),
        (JSON[:-12], "application/json", ['"grant_type": "password"']),
        (JSON.replace("client_secret", "client\\u005fsecret"), "application/json", ["client_secret"]),
        (HTML, "text/html", ['name="wresult" value="[masked:token', "<p>hi</p>"]),
        (MULTIPART, 'multipart/form-data; boundary="b1"', ['name="password"\r\n\r\n<masked:password', "--b1--"]),
        (f"Password={MARKER}\nother", "text/plain", ["Password=<masked", "other"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_contents_are_masked_by_the_names_in_them(
    content: str, content_type: str | None, visible: list[str], encoding: str
) -> None:
    if content is MULTIPART:
        encoding = "utf-8"  # the boundaries of a multipart are ASCII
    shown = Redactor().content(content.encode(encoding), content_type).decode(encoding)
    assert_hidden(shown)
    for each in visible:
        assert each in shown


def test_contents_without_secrets_pass_byte_for_byte() -> None:
    for data in (b"\x00\xff\xfe binary \x80", b"<a>\xe4</a>", b'{"a": 1}', b"", "ü".encode("utf-16")):
        assert Redactor().content(data, "text/xml") == data


def test_a_learned_secret_is_found_in_every_wrapping() -> None:
    redactor = Redactor(salt=b"salt")
    redactor.fields([("Authorization", f"Basic {BASIC}")])
    wrapped = [
        MARKER,
        quote(MARKER),
        quote(MARKER, safe="").lower().replace("tr0", "Tr0"),
        quote(quote(MARKER, safe=""), safe=""),
        MARKER.replace("&", "&amp;"),
        json.dumps({"x": MARKER}).replace("&", "\\u0026"),
        MARKER.encode("utf-16-le").decode("latin-1"),
        MARKER.encode().hex(),
        *(base64.b64encode(b"x" * shift + MARKER.encode() + b"yy").decode() for shift in range(3)),
        *(base64.b64encode(b"x" * shift + MARKER.encode("utf-16-le")).decode() for shift in range(3)),
        "\r\n ".join(BASIC[at : at + 7] for at in range(0, len(BASIC), 7)),
    ]
    for text in wrapped:
        shown = redactor.text(f"the server said: {text} (end)")
        assert_hidden(shown)
        assert "<masked:password fp=" in shown
        assert shown.startswith("the server said: ")
        assert shown.endswith("(end)")


def test_a_secret_is_hidden_from_fields_that_stand_before_it() -> None:
    shown = Redactor().fields([("X-Echo", f"u={MARKER}"), ("Authorization", f"Basic {BASIC}")])
    assert_hidden(shown)


@pytest.mark.parametrize(
    "text",
    [
        f"login failed, password={MARKER}",
        f"client_secret: '{MARKER}' is wrong",
        f"GET https://svc:{MARKER.replace('&', '%26')}@mail.contoso.com/ failed",
        f"token {jwt({'aud': 'x'})} rejected",
        f"got Bearer {base64.b64encode(MARKER.encode()).decode()}",
    ],
)
def test_free_text_hides_what_looks_like_a_secret(text: str) -> None:
    assert_hidden(Redactor().text(text))


@pytest.mark.parametrize(
    "text",
    [
        "An error occurred while attempting to retrieve the security token: access denied.",
        "EWS GetFolder inbox of avery@contoso.com as svc@contoso.com -> Success NoError (Exchange2010_SP2 14.2.247)",
        "Negotiate authentication failed", "Basic authentication-required", "2024-01-01T00:00:00Z", "ErrorCode: 500",
    ],
)  # fmt: skip
def test_free_text_without_secrets_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_equal_secrets_have_equal_pseudonyms_in_one_run_and_others_in_the_next() -> None:
    one, two = Redactor(), Redactor()
    assert one.value("token", MARKER) == one.value("token", MARKER)
    assert one.value("token", MARKER) != two.value("token", MARKER)
    assert one.value("token", MARKER) != one.value("token", MARKER + "x")
    assert Redactor(salt=b"s").value("token", "a") == Redactor(salt=b"s").value("token", "a")


def test_a_password_shows_no_length() -> None:
    assert "len=" not in Redactor().value("password", MARKER)
    assert "len=18" in Redactor().value("token", MARKER)


def test_what_was_masked_is_counted() -> None:
    redactor = Redactor()
    redactor.fields([("Authorization", f"Basic {BASIC}"), ("Cookie", "a=1; b=2"), ("X-Echo", MARKER)])
    assert redactor.counts == {"password": 2, "cookie": 2}


def test_with_show_secrets_everything_passes() -> None:
    redactor = Redactor(show_secrets=True)
    assert redactor.fields([("Authorization", f"Basic {BASIC}")]) == [["Authorization", f"Basic {BASIC}"]]
    assert redactor.target(f"/?code={MARKER}") == f"/?code={MARKER}"
    assert redactor.text(f"password={MARKER}") == f"password={MARKER}"
    assert redactor.content(FORM.encode(), None) == FORM.encode()
    assert redactor.value("token", MARKER) == MARKER


def test_what_is_learned_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlsdecrypt.redact.learned.MAX_SECRETS", 2)
    learned = LearnedSecrets()
    for number in range(3):
        learned.learn(f"secret-number-{number}", "<m>")
    assert learned.replace("secret-number-1")[0] == "<m>"
    assert learned.replace("secret-number-2")[0] == "secret-number-2"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_fields_keep_their_names_and_any_text_is_masked_the_same_again(name: str, value: str) -> None:
    redactor = Redactor()
    names = [name, "Authorization", "Cookie", "Location", "X"]
    assert [each for each, _ in redactor.fields([(each, value) for each in names])] == names
    assert redactor.target(value) == redactor.target(value)
    assert redactor.text(value) == redactor.text(value)
    for content_type in (
        "text/xml",
        "application/json",
        "application/x-www-form-urlencoded",
        name,
        "multipart/x;boundary=a",
    ):
        content = value.encode("utf-8", "surrogatepass")
        assert redactor.content(content, content_type) == redactor.content(content, content_type)


@given(st.text(alphabet=st.characters(exclude_categories=["Z", "C"]), min_size=8, max_size=30), st.text(max_size=20))
def test_any_learned_password_is_gone_from_any_text(password: str, around: str) -> None:
    redactor = Redactor()
    redactor.value("password", password)
    shown = redactor.text(f"{around} {password} {around}")
    assert "<masked:" in shown
    if password not in around + "<masked:password fp=0123456789abcdef>":
        assert password not in shown


def test_annotations_and_faults_hold_no_secret() -> None:
    soap = SOAP.encode()
    request = (
        f"POST /EWS/Exchange.asmx?access_token={quote(MARKER, safe='')} HTTP/1.1\r\nAuthorization: Basic {BASIC}\r\n"
        f"Cookie: cadata={MARKER}\r\n{MARKER}\r\nContent-Type: text/xml\r\nContent-Length: {len(soap)}\r\n\r\n"
    ).encode() + soap
    answer = (
        f"HTTP/1.1 302 Found\r\nLocation: https://mail.contoso.com/owa?code={quote(MARKER, safe='')}\r\n"
        f"Set-Cookie: sessionid={MARKER}; path=/\r\nWWW-Authenticate: Negotiate {BASIC}\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(soap)}\r\n\r\n"
    ).encode() + soap
    decoder, span = Http1Decoder(keep_content=True), Span(1, 1, 1, 1)
    [exchange] = [*decoder.feed(Direction.CLIENT_TO_SERVER, request, span),
                  *decoder.feed(Direction.SERVER_TO_CLIENT, answer, span)]  # fmt: skip
    assert exchange.faults == ("request: a field line without a name",)
    assert exchange.annotations["http"]["user"] == "avery@contoso.com"
    assert exchange.annotations["soap"]["security_user"] == "avery"
    assert exchange.annotations["http"]["challenges"] == ["Negotiate"]
    assert_hidden(exchange.annotations)
    assert_hidden(exchange.faults)
    assert MARKER not in repr(exchange)


@pytest.mark.parametrize("times", range(4))
def test_a_parameter_has_one_pseudonym_however_often_it_is_encoded(times: int) -> None:
    value = MARKER
    for _ in range(times):
        value = quote(value, safe="")
    redactor = Redactor()
    if times:  # unencoded, the ampersand would end the value
        assert redactor.target(f"/?password={value}") == f"/?password={redactor.value('password', MARKER)}"


@pytest.mark.parametrize(
    "xml",
    [
        f"<a><Assertion><Assertion>inner</Assertion><b>{MARKER}</b></Assertion></a>",
        f'<Body><t:Body BodyType="HTML">{MARKER}</t:Body></Body>',
        f"<t:Subject>{MARKER}</t:Subject>",
        f"<P><S N='a'>x</S><SS N='b'>{MARKER}</SS></P>",
    ],
)
def test_elements_are_masked_with_all_that_is_inside(xml: str) -> None:
    shown = Redactor().content(xml.encode(), "text/xml").decode()
    assert_hidden(shown)
    assert shown.endswith(xml[xml.rindex("</") :])


@pytest.mark.parametrize("text", [f'"token": "{MARKER}"', f"password='{MARKER}'", f"pwd={MARKER}"])
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    redactor = Redactor()
    once = redactor.text(text)
    assert_hidden(once)
    assert redactor.text(once) == once
    assert sum(redactor.counts.values()) == 1
