"""No secret of what was said is in a decrypted capture, wherever it stood and however it was wrapped; lengths stay."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import brotli
import pytest
from packets import C, S, Scene, http_request, http_response
from rewriting import BROKEN, by_tshark, rewritten
from tls_dialogues import public_identity, tls

from tlsdecrypt import analyze

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from packets import Say

    from tlsdecrypt import Analysis

MARKER = "Tr0ub4dor-&-3"
TOKEN = "q7ZxT0kenVa1ueThatNobodyMaySee9911"
SECRETS = (MARKER, TOKEN)
FORM, JSON, XML = "application/x-www-form-urlencoded", "application/json", "text/xml; charset=utf-8"
SOAP = (
    "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Header><w:Security xmlns:w='w'>"
    "<w:UsernameToken><w:Username>kim</w:Username><w:Password>Tr0ub4dor-&amp;-3</w:Password></w:UsernameToken></w:Security></s:Header>"
    "<s:Body><Find/></s:Body></s:Envelope>"
)


def basic(password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"kim:{password}".encode()).decode()


def posted(content: str | bytes, kind: str, *fields: str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return http_request("POST /a", [f"Content-Type: {kind}", *fields], data)


def answered(content: str | bytes, kind: str, *fields: str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return http_response("200 OK", [f"Content-Type: {kind}", *fields], data)


def chunked(content: bytes, size: int) -> bytes:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in [*pieces, b""])


LOGIN = json.dumps({"user": "kim", "password": MARKER, "n": 1})
OK = http_response("200 OK")
PLACES: dict[str, tuple[bytes, bytes]] = {
    "basic": (http_request("GET /", [basic(MARKER)]), OK),
    "bearer": (http_request("GET /", [f"authorization:Bearer {TOKEN}"]), OK),
    "digest": (http_request("GET /", [f'Authorization: Digest username="kim", response="{TOKEN}"']), OK),
    "folded": (b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n " + TOKEN.encode() + b"\r\n\r\n", OK),
    "cookie": (http_request("GET /", [f"Cookie: a=1; sid={TOKEN}; b={MARKER}"]), OK),
    "set-cookie": (http_request("GET /"), http_response("200 OK", [f"Set-Cookie: sid={TOKEN}; Path=/; HttpOnly"])),
    "own field": (http_request("GET /", [f"X-Api-Key: {TOKEN}"]), OK),
    "query": (http_request(f"GET /?user=kim&access_token={TOKEN}&x=1"), OK),
    "percent": (http_request(f"GET /login?password={quote(MARKER)}"), OK),
    "location": (http_request("GET /"), http_response("302 Found", [f"Location: https://b/?code={TOKEN}&s=2"])),
    "form": (posted(f"user=kim&password={quote(MARKER)}&z=1", FORM), OK),
    "json": (posted(LOGIN, JSON), OK),
    "json, escaped": (posted(json.dumps({"password": 'a"b\\c' + MARKER}), JSON), OK),
    "soap": (posted(SOAP, XML), OK),
    "soap in UTF-16": (posted(SOAP.encode("utf-16"), "text/xml; charset=utf-16"), OK),
    "multipart": (
        posted(
            f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{MARKER}\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        OK,
    ),
    "answer repeats it": (posted(LOGIN, JSON), answered(f"<p>wrong: {MARKER}</p>".replace("&", "&amp;"), "text/html")),
    "plain text": (http_request("GET /log"), answered(f"x\nlogin with password={MARKER} done\ny\n", "text/plain")),
    "gzip": (http_request("GET /"), answered(gzip.compress(LOGIN.encode()), JSON, "Content-Encoding: gzip")),
    "deflate": (http_request("GET /"), answered(zlib.compress(LOGIN.encode()), JSON, "Content-Encoding: deflate")),
    "br": (http_request("GET /"), answered(brotli.compress(LOGIN.encode()), JSON, "Content-Encoding: br")),
    "gzip, asked": (posted(gzip.compress(SOAP.encode()), XML, "content-encoding:  gzip"), OK),
    "chunks": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(LOGIN.encode(), 7),
        OK,
    ),
    "gzip in chunks": (
        http_request("GET /"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked"
        b"\r\n\r\n" + chunked(gzip.compress(LOGIN.encode()), 5),
    ),
    "trailers": (
        http_request("GET /"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
        + f"Set-Cookie: s={TOKEN}\r\n".encode()
        + f"{basic(MARKER)}\r\n\r\n".encode(),
    ),
    "trailers without content": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + f"{basic(MARKER)}\r\n\r\n".encode(),
        OK,
    ),
    "extensions of chunks": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f'3;password={MARKER}\r\nabc\r\n3 ; a=b;token="{TOKEN}"\r\ndef\r\n0\r\n\r\n'.encode(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n"
        + f"0;password={MARKER}\r\nX-A: password={MARKER}\r\n\r\n".encode(),
    ),
    "a long request line": (http_request(f"GET /?x={'y' * 6000}&code={TOKEN}", [f"Cookie: sid={TOKEN}"]), OK),
    "table": (http_request("GET /"), answered(f'User,Password\r\nkim,{MARKER}\r\nbob,"{TOKEN}"\r\n', "text/csv")),
    "json in a string of json": (
        posted(json.dumps({"log": json.dumps({"password": MARKER})}), JSON),
        answered(f"you said {MARKER}", "text/plain"),
    ),
    "xmpp over http": (
        posted(
            "<body xmlns='http://jabber.org/protocol/httpbind'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
            f"mechanism='PLAIN'>{base64.b64encode(f'kim:{MARKER}'.encode()).decode()}</auth></body>",
            XML,
        ),
        OK,
    ),
    "until the end": (
        http_request("GET /"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + LOGIN.encode(),
    ),
}


def captured(said: Sequence[Say], tmp_path: Path, *, is_tls: bool) -> Path:
    scene = Scene()
    scene.dialogue(tls(said, SERVER) if is_tls else said, port=443 if is_tls else 80)
    path = tmp_path / "original.pcap"
    path.write_bytes(scene.pcap())
    return path


SERVER = public_identity("mail.contoso.com")


def decrypted(said: Sequence[Say], tmp_path: Path, *, is_tls: bool = True, show_secrets: bool = False) -> Path:
    path = tmp_path / f"decrypted-{show_secrets}.pcapng"
    original = captured(said, tmp_path, is_tls=is_tls)
    path.write_bytes(rewritten([original], SERVER.store if is_tls else None, show_secrets=show_secrets))
    return path


def contents_of(path: Path) -> bytes:
    """All that stands in the file, with what gzip hides."""
    data = path.read_bytes()
    unpacked = []
    at = data.find(b"\x1f\x8b\x08")
    while at >= 0:
        with suppress(zlib.error):  # it is in chunks
            unpacked.append(zlib.decompressobj(31).decompress(data[at:]))
        at = data.find(b"\x1f\x8b\x08", at + 3)
    return b"\n".join([data, *unpacked])


def assert_hidden(text: bytes) -> None:
    for secret in SECRETS:
        for form in (secret, quote(secret), secret.replace("&", "&amp;")):
            for data in (form.encode(), form.encode("utf-16-le"), form.encode("utf-16-be")):
                assert data not in text
        for user in ("kim:", ""):
            assert base64.b64encode((user + secret).encode()).rstrip(b"=") not in text


def lengths(analysis: Analysis) -> list[list[int]]:
    return [[stream.length for stream in each.streams] for each in analysis.conversations]


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_overwritten_in_place(place: str, tmp_path: Path, *, is_tls: bool) -> None:
    asked, answer = PLACES[place]
    said = [C(asked), S(answer), C(http_request("GET /next")), S(answered("bye", "text/plain"))]
    said = said[:2] if b"Connection: close" in answer else said
    masked = decrypted(said, tmp_path, is_tls=is_tls)
    assert_hidden(contents_of(masked))
    open_one = decrypted(said, tmp_path, is_tls=is_tls, show_secrets=True)
    before, after = analyze([str(open_one)]), analyze([str(masked)])
    assert lengths(after) == lengths(before)
    exchanges = after.conversations[0].exchanges
    assert [each.faults for each in exchanges] == [each.faults for each in before.conversations[0].exchanges]
    assert [each.response.status for each in exchanges] == [
        each.response.status for each in before.conversations[0].exchanges
    ]
    assert len(exchanges) == len(said) // 2


JUNK = bytes(range(128, 160)) * 20 + b"\0\1\2zz"


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize(
    "before", [JUNK, b"zz", b"\0", b"zz\r\n", JUNK + b"\r\n"], ids=["many", "few", "zero", "line", "lines"]
)
def test_a_secret_of_http_behind_something_else_is_overwritten(before: bytes, tmp_path: Path, *, is_tls: bool) -> None:
    asked = http_request(f"GET /?code={TOKEN}", [basic(MARKER), f"Cookie: sid={TOKEN}", f"X-Api-Key: {TOKEN}"])
    answer = http_response("200 OK", [f"Set-Cookie: sid={TOKEN}"])
    for said in (
        [C(before + asked), S(before + answer)],
        [C(asked), S(before + answer)],
        [C(before + asked), S(answer)],
    ):
        masked = decrypted(said, tmp_path, is_tls=is_tls)
        assert_hidden(contents_of(masked))
        assert lengths(analyze([str(masked)])) == [[len(said[0].data), len(said[1].data)]]
    said = [C(asked), S(OK), C(before + asked), S(before + answer)]
    assert_hidden(contents_of(decrypted(said, tmp_path, is_tls=is_tls)))


def test_a_secret_in_text_among_other_bytes_is_overwritten(tmp_path: Path) -> None:
    said = [C(JUNK + f"token={TOKEN}".encode() + JUNK), S(JUNK + f"\0password: {MARKER} \0".encode())]
    assert_hidden(contents_of(decrypted(said, tmp_path)))


def test_what_is_no_secret_stays(tmp_path: Path) -> None:
    said = [C(PLACES["json"][0]), S(answered(gzip.compress(LOGIN.encode()), JSON, "Content-Encoding: gzip"))]
    text = contents_of(decrypted(said, tmp_path))
    stars = "*" * len(MARKER)
    assert text.count(f'{{"user": "kim", "password": "{stars}", "n": 1}}'.encode()) == 2
    assert b"Content-Encoding: gzip" in text


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_secret_that_is_cut_by_records_and_segments_is_overwritten(size: int, tmp_path: Path) -> None:
    asked = PLACES["json"][0]
    said = [C(asked[at : at + size], 0.001) for at in range(0, len(asked), size)] + [S(OK)]
    masked = decrypted(said, tmp_path)
    assert_hidden(contents_of(masked))
    assert lengths(analyze([str(masked)])) == [[len(asked), len(OK)]]


@pytest.mark.parametrize("place", ["basic", "json", "gzip", "chunks", "gzip in chunks", "multipart"])
def test_tshark_finds_no_fault_in_what_is_masked(place: str, tmp_path: Path) -> None:
    asked, answer = PLACES[place]
    path = decrypted([C(asked), S(answer)], tmp_path)
    assert by_tshark(path, "-Y", BROKEN) == []
    assert len(by_tshark(path, "-Y", "http.request")) == 1
    if "gzip" in place:
        assert by_tshark(path, "-Y", f'frame contains "nothing" or json.value.string contains "{MARKER}"') == []
        assert len(by_tshark(path, "-Y", 'json.value.string == "kim"')) == 1


MAIL = (
    S("220 mail ESMTP\r\n"),
    C("EHLO a\r\n"),
    S("250-mail\r\n250 AUTH PLAIN LOGIN\r\n"),
    C(b"AUTH PLAIN " + base64.b64encode(f"\0kim\0{MARKER}".encode()) + b"\r\n"),
    S("535 no\r\n"),
    C("AUTH LOGIN\r\n"),
    S("334 VXNlcm5hbWU6\r\n"),
    C(base64.b64encode(b"kim") + b"\r\n"),
    S("334 UGFzc3dvcmQ6\r\n"),
    C(base64.b64encode(MARKER.encode()) + b"\r\n"),
    S("235 ok\r\n"),
    C("QUIT\r\n"),
    S("221 bye\r\n"),
)


def test_logins_of_mail_are_overwritten(tmp_path: Path) -> None:
    path = decrypted(MAIL, tmp_path)
    text = path.read_bytes()
    assert_hidden(text)
    assert base64.b64encode(f"\0kim\0{MARKER}".encode()) not in text
    assert b"AUTH PLAIN ****" in text
    assert lengths(analyze([str(path)])) == [
        [sum(len(each.data) for each in MAIL if each.is_client is way) for way in (True, False)]
    ]


@pytest.mark.parametrize(
    "said",
    [
        [
            C("AUTH LOGIN\r\n"),
            S("go on\r\n"),
            C(base64.b64encode(b"kim") + b"\r\n"),
            C(base64.b64encode(MARKER.encode()) + b"\r\n"),
        ],
        [C(b"x AUTHENTICATE PLAIN " + base64.b64encode(f"\0kim\0{MARKER}".encode()) + b"\r\n")],
        [C(f"AUTHINFO PASS {MARKER}\r\n")],
        [C("USER kim\r\n"), S("331 password\r\n"), C(f"PASS {MARKER}\r\n")],
        [C(f"a1 LOGIN kim {MARKER}\r\n")],
    ],
    ids=["auth", "authenticate", "authinfo", "pass", "login"],
)
def test_logins_of_protocols_that_nobody_knows_are_overwritten(said: list[Say], tmp_path: Path) -> None:
    text = decrypted([S("hello\r\n"), *said, S("yes\r\n")], tmp_path).read_bytes()
    assert_hidden(text)
    assert base64.b64encode(f"\0kim\0{MARKER}".encode()) not in text
    assert b"****" in text


def test_a_long_download_is_searched_where_secrets_may_stand(tmp_path: Path) -> None:
    line = b"nothing to see here, move along and read the next line\n"
    content = line * 4_000 + f"token={TOKEN}\n".encode() + line * 4_000
    path = decrypted([C(http_request("GET /log")), S(answered(content, "text/plain"))], tmp_path)
    text = path.read_bytes()
    assert_hidden(text)
    assert b"token=" + b"*" * len(TOKEN) in text
    assert text.count(b"nothing to see here") > 7_500


def test_a_password_that_was_seen_is_found_in_bytes_that_are_no_text(tmp_path: Path) -> None:
    binary = bytes(range(256)) * 4_000
    content = binary + MARKER.encode() + binary
    said = [C(PLACES["json"][0]), S(answered(content, "application/octet-stream"))]
    text = decrypted(said, tmp_path).read_bytes()
    assert_hidden(text)


def test_a_secret_before_tls_that_stays_closed_is_overwritten(tmp_path: Path) -> None:
    stranger = public_identity("other.example")
    asked = http_request("CONNECT mail.contoso.com:443", [basic(MARKER).replace("Auth", "Proxy-Auth")])
    tunnel = [C(asked), S(b"HTTP/1.1 200 Connection established\r\n\r\n"), *tls([C(b"x"), S(b"y")], stranger)]
    scene = Scene()
    scene.dialogue(tunnel, port=3128)
    original, path = tmp_path / "original.pcap", tmp_path / "decrypted.pcapng"
    original.write_bytes(scene.pcap())
    path.write_bytes(rewritten([original], SERVER.store))
    assert_hidden(path.read_bytes())
    (exchange,) = analyze([str(path)]).conversations[0].exchanges
    assert (exchange.request.method, exchange.response.status) == ("CONNECT", 200)


def test_a_capture_says_what_was_masked_in_it(tmp_path: Path) -> None:
    path = decrypted([C(PLACES["json"][0]), S(OK)], tmp_path)
    told = subprocess.run(["capinfos", str(path)], capture_output=True, check=True, text=True).stdout
    assert "decrypted; masked 1 password" in told


def test_secrets_are_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    said = [C(PLACES["json"][0]), S(OK)]
    assert MARKER.encode() in decrypted(said, tmp_path, show_secrets=True).read_bytes()
