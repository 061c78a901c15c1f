"""HAR 1.2: the schemas of npm's har-schema hold, times are those of tshark, and no secret is inside."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft6Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT6
from sample_conversations import MILLISECOND, SECRET, START, conversation, request, response, session, span
from written import EXCHANGE, analysis_of, sample_analysis, written

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.findings.finding import Confidence, Evidence, Finding, Severity
from tlsdecrypt.flow import Direction, Endpoint
from tlsdecrypt.net.surroundings import DnsMessage, DnsQuestion, DnsRecord, Surroundings
from tlsdecrypt.net.tcp_facts import Sighting, TcpFacts
from tlsdecrypt.redact import Redactor
from tlsdecrypt.report.har_entry import MAX_CONTENT
from tlsdecrypt.report.har_writer import HarWriter
from tlsdecrypt.tls.events import HandshakeSeen
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis

PASSWORD = b"not-a-real-password"
SCHEMAS = Path(__file__).with_name("har_schema")
HOSTILE = "/<script>alert(1)</script>?a=\u00e9&b=%&token=" + SECRET


def _validator() -> Draft6Validator:
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    resources = [(each["$id"].rstrip("#"), Resource.from_contents(each, DRAFT6)) for each in schemas]
    registry: Registry[Any] = Registry().with_resources(resources)
    har = next(each for each in schemas if each["$id"] == "har.json#")
    return Draft6Validator(har, registry=registry, format_checker=FormatChecker())


VALIDATOR = _validator()


def har(analysis: Analysis, redactor: Redactor | None = None) -> list[dict[str, Any]]:
    """The entries of a document that is valid."""
    document = json.loads(written(HarWriter, analysis, redactor))
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    entries: list[dict[str, Any]] = document["log"]["entries"]
    return entries


def entry(exchange: Exchange, **changed: Any) -> dict[str, Any]:
    (only,) = har(analysis_of([conversation(1, changed.pop("tls", session()), exchanges=(exchange,), **changed)]))
    return only


def test_the_validator_knows_a_document_that_is_none() -> None:
    broken = {"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [{"time": "long"}]}}
    assert list(VALIDATOR.iter_errors(broken)) != []


def test_every_http_exchange_of_the_sample_is_an_entry() -> None:
    analysis = sample_analysis()
    entries = har(analysis)
    exchanges = [exchange for each in analysis.conversations for exchange in each.exchanges]
    assert len(entries) == len(exchanges) == 27
    assert [each["startedDateTime"] for each in entries] != []
    assert {each["response"]["status"] for each in entries} == {each.response.status for each in exchanges}


def test_entries_stand_in_the_order_of_their_requests() -> None:
    starts = [each["_request_start"] for each in har(sample_analysis())]
    assert starts == sorted(starts)


def test_an_analysis_of_nothing_is_a_valid_document() -> None:
    assert har(analysis_of([])) == []


def test_no_secret_of_the_sample_is_inside() -> None:
    document = written(HarWriter, sample_analysis())
    shown = written(HarWriter, sample_analysis(), Redactor(show_secrets=True))
    for form in (base64.b64encode(b"CONTOSO\\blake:" + PASSWORD), base64.b64encode(b"CONTOSO\\avery:" + PASSWORD)):
        assert form in shown
        assert form not in document
    assert PASSWORD not in document


def test_the_handshake_took_as_long_as_tshark_says(tshark: str) -> None:
    columns = ["-T", "fields", "-e", "tcp.stream", "-e", "frame.time_epoch"]
    chosen = "tls.handshake.type == 1 or tls.record.content_type == 20"
    command = [tshark, "-r", str(EXCHANGE), "-Y", chosen, *columns]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    times: dict[int, list[float]] = {}
    for stream, time in zip(lines[::2], lines[1::2], strict=True):
        times.setdefault(int(stream) + 1, []).append(float(time))
    found = {
        each["_connection"]: each["timings"]["ssl"] for each in har(sample_analysis()) if each["timings"]["ssl"] > 0
    }
    assert len(found) == 12
    for connection, length in found.items():
        assert length == pytest.approx((max(times[connection]) - min(times[connection])) * 1000, abs=0.01)


def test_the_parts_of_the_time_add_up() -> None:
    for each in har(sample_analysis()):
        parts = each["timings"]
        known = [parts[name] for name in ("blocked", "dns", "connect", "send", "wait", "receive") if parts[name] > 0]
        assert each["time"] == pytest.approx(sum(known))
        assert parts["ssl"] <= parts["connect"]


def _exchange(**changed: Any) -> Exchange:
    return Exchange(
        "http/1.1", request("/owa/", span(12, 13, 112, 115)), response(200, "OK", span(15, 17, 149, 150)), **changed
    )


def test_only_the_first_exchange_of_a_connection_bears_its_handshake() -> None:
    messages = (
        HandshakeSeen(Direction.CLIENT_TO_SERVER, "client_hello", span(4, 4, 100, 100)),
        HandshakeSeen(Direction.SERVER_TO_CLIENT, "finished", span(9, 9, 110, 111)),
        HandshakeSeen(Direction.SERVER_TO_CLIENT, "finished", span(19, 19, 190, 190)),  # of a renegotiation
    )
    said = (_exchange(), _exchange())
    first, second = har(analysis_of([conversation(1, session(messages=messages), exchanges=said)]))
    assert first["timings"] == {
        "blocked": -1, "dns": -1, "connect": 11.0, "ssl": 11.0, "send": 3.0, "wait": 34.0, "receive": 1.0,
    }  # fmt: skip
    assert first["time"] == 49.0
    assert first["startedDateTime"] == "2026-11-24T02:30:50.224456789Z"
    assert second["timings"]["connect"] == second["timings"]["ssl"] == -1
    assert second["startedDateTime"] == "2026-11-24T02:30:50.235456789Z"


def test_connecting_is_from_the_first_syn_to_its_answer() -> None:
    facts = TcpFacts(
        syns=(Sighting(1, START), Sighting(2, START + 1_000 * MILLISECOND)),
        syn_ack=Sighting(3, START + 1_020 * MILLISECOND),
    )
    clear = conversation(1, None, exchanges=(_exchange(), _exchange()), tcp=facts)
    first, second = har(analysis_of([clear]))
    assert (first["timings"]["connect"], first["timings"]["ssl"]) == (1020.0, -1)
    assert second["timings"]["connect"] == -1


def _dns(at_ms: int, *, answers: tuple[str, ...] = (), **changed: Any) -> DnsMessage:
    """A question, or with answers a response, on its way between the client of the samples and its resolver."""
    facts = {"id": 7, "opcode": "QUERY", "rcode": "NOERROR", "questions": (DnsQuestion("Mail.contoso.com.", "A"),)}
    records = tuple(DnsRecord("mail.contoso.com.", "A", address, 60) for address in answers)
    ends = (Endpoint("192.0.2.10", 40_000), Endpoint("192.0.2.53", 53))
    time_ns = START + at_ms * MILLISECOND
    return DnsMessage(1, time_ns, *ends, is_response=bool(answers), answers=records, **(facts | changed))


SERVER = "198.51.100.20"


@pytest.mark.parametrize(
    ("messages", "dns"),
    [
        ((_dns(10), _dns(33, answers=(SERVER,))), 23.0),
        ((_dns(10), _dns(20), _dns(33, answers=("203.0.113.9", SERVER))), 23.0),  # asked twice
        ((_dns(10), _dns(33, answers=("203.0.113.9",))), -1),  # another address
        ((_dns(10), _dns(33, answers=(SERVER,), id=8)), -1),  # an answer to another question
        ((_dns(10), _dns(133, answers=(SERVER,))), -1),  # it came when the client had connected
        ((_dns(-9_000), _dns(-8_000, answers=(SERVER,))), -1),  # long before: from a cache
        ((_dns(10), _dns(33, answers=(SERVER,), questions=(DnsQuestion("other.", "A"),))), -1),
        ((_dns(33, answers=(SERVER,)),), -1),
        ((), -1),
    ],
)
def test_a_lookup_counts_where_it_told_the_address(messages: tuple[DnsMessage, ...], dns: float) -> None:
    facts = TcpFacts(syns=(Sighting(1, START + 50 * MILLISECOND),), syn_ack=Sighting(3, START + 52 * MILLISECOND))
    talks = [conversation(number, None, exchanges=(_exchange(),), tcp=facts) for number in (1, 2)]
    first, second = har(analysis_of(talks, surroundings=Surroundings(dns=messages)))
    assert first["timings"]["dns"] == dns
    assert second["timings"]["dns"] == -1  # it led to one connection
    assert first["time"] == pytest.approx(2 + 3 + 34 + 1 + max(dns, 0))
    moved = {-1: "2026-11-24T02:30:50.233456789Z", 23.0: "2026-11-24T02:30:50.210456789Z"}
    assert first["startedDateTime"] == moved[dns]


def test_behind_a_proxy_the_handshake_goes_with_the_first_exchange_inside() -> None:
    messages = (
        HandshakeSeen(Direction.CLIENT_TO_SERVER, "client_hello", span(4, 4, 100, 100)),
        HandshakeSeen(Direction.SERVER_TO_CLIENT, "finished", span(9, 9, 104, 104)),
    )
    connect = Exchange(
        "http/1.1", request("mail:443", span(1, 1, 1, 1), method="CONNECT"), response(200, "OK", span(2, 2, 2, 2))
    )
    said = (connect, _exchange())
    facts = TcpFacts(syns=(Sighting(1, START),), syn_ack=Sighting(3, START + MILLISECOND))
    outer, inner = har(
        analysis_of([conversation(1, session(messages=messages), exchanges=said, clear_exchanges=1, tcp=facts)])
    )
    assert (outer["timings"]["connect"], outer["timings"]["ssl"]) == (1.0, -1)
    assert (inner["timings"]["connect"], inner["timings"]["ssl"]) == (4.0, 4.0)
    assert outer["request"]["url"] == "http://mail:443/"


def test_what_was_not_seen_is_named() -> None:
    unasked = entry(Exchange("http/1.1", None, response(302, "Found", span(55, 55, 520, 520))))
    assert unasked["_error"] == "the request was not seen"
    assert unasked["request"]["url"] == "https://mail.contoso.com/"
    unanswered = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), None))
    assert unanswered["_error"] == "the response was not seen"
    assert unanswered["response"]["status"] == 0
    assert unanswered["timings"]["wait"] == unanswered["timings"]["receive"] == -1


def test_a_target_is_a_valid_url_whatever_was_sent() -> None:
    told = entry(Exchange("http/1.1", request(HOSTILE, span(5, 5, 5, 5)), None))
    url = told["request"]["url"]
    assert url.startswith("https://mail.contoso.com/%3Cscript%3Ealert(1)%3C/script%3E?a=%C3%A9&b=%25&token=%3Cmasked")
    assert [each["name"] for each in told["request"]["queryString"]] == ["a", "b", "token"]
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    ("target", "tls", "url"),
    [
        ("http://intranet.contoso.com/x", None, "http://intranet.contoso.com/x"),
        ("/x", None, "http://mail.contoso.com/x"),
        ("*", session(), "https://mail.contoso.com/*"),
    ],
)
def test_urls_are_absolute(target: str, tls: Any, url: str) -> None:
    assert entry(Exchange("http/1.1", request(target, span(5, 5, 5, 5)), None), tls=tls)["request"]["url"] == url


def test_a_host_field_that_is_no_host_is_not_believed() -> None:
    asked = request("/", span(5, 5, 5, 5), fields=(("Host", 'x y"><script>'),))
    told = entry(
        Exchange("http/1.1", asked, None), server=Endpoint("2001:db8::25", 8443), tls=session(server_name=None)
    )
    assert told["request"]["url"] == "https://[2001:db8::25]:8443/"
    assert told["serverIPAddress"] == "2001:db8::25"


def test_binary_content_is_base64_and_text_is_text() -> None:
    answer = response(200, "OK", span(6, 6, 6, 6), content=b"\x00\xff\x01", content_length=3)
    asked = request("/", span(5, 5, 5, 5), content=b"a=1&password=" + SECRET.encode(), content_length=31)
    asked = replace(asked, fields=(*asked.fields, ("Content-Type", "application/x-www-form-urlencoded")))
    told = entry(Exchange("http/1.1", asked, answer))
    assert told["response"]["content"] == {
        "size": 3, "mimeType": "", "text": base64.b64encode(b"\x00\xff\x01").decode(), "encoding": "base64",
    }  # fmt: skip
    assert told["request"]["postData"]["params"][0] == {"name": "a", "value": "1"}
    assert told["request"]["postData"]["params"][1]["value"].startswith("<masked:password")
    assert SECRET not in json.dumps(told)


def test_decoded_content_says_what_its_coding_saved() -> None:
    answer = response(200, "OK", span(6, 6, 6, 6), content=b"x" * 500, content_length=40)
    content = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer))["response"]["content"]
    assert (content["size"], content["compression"]) == (500, 460)


def _content_length(content: dict[str, Any], charset: str = "utf-8") -> int:
    """Bytes of what stands in `text`."""
    text: str = content.get("text", "")
    return len(base64.b64decode(text) if content.get("encoding") == "base64" else text.encode(charset))


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16-le"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_the_size_of_a_masked_content_is_that_of_its_text(charset: str, *, is_packed: bool) -> None:
    sent = f'{{"user": "J\u00f6rg", "password": "{SECRET}"}}'.encode(charset)
    answer = response(
        200,
        "OK",
        span(6, 6, 6, 6),
        fields=(("Content-Type", f"application/json; charset={charset}"),),
        content=sent,
        content_length=40 if is_packed else len(sent),
    )
    told = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer))["response"]
    content = told["content"]
    assert SECRET not in content["text"]
    assert content["size"] == _content_length(content, charset)
    assert content["size"] != len(sent)
    assert content["_size_before_masking"] == len(sent)
    assert content["comment"] == f"it had {len(sent):,} bytes before masking"
    if is_packed:
        assert content["size"] - content["compression"] == told["bodySize"] == 40
    else:
        assert "compression" not in content


def test_every_size_of_the_sample_is_that_of_its_text() -> None:
    contents = [each["response"]["content"] for each in har(sample_analysis())]
    assert [each for each in contents if each["size"] != _content_length(each)] == []
    assert sum("_size_before_masking" in each for each in contents) == 2
    assert sum(each["size"] for each in contents) > 10_000


def test_content_that_was_not_kept_says_so() -> None:
    answer = response(200, "OK", span(6, 6, 6, 6), content=None, content_length=40)
    content = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer))["response"]["content"]
    assert content == {"size": 40, "mimeType": "", "comment": "the content was not kept"}


def test_content_beyond_the_bound_is_cut_and_says_so() -> None:
    tail = b"password=" + SECRET.encode()
    answer = response(200, "OK", span(6, 6, 6, 6), content=b"x" * (MAX_CONTENT - 12) + tail, content_length=1)
    content = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer))["response"]["content"]
    assert len(content["text"]) <= MAX_CONTENT
    assert content["comment"] == f"only the beginning of {MAX_CONTENT + 14:,} bytes is here"
    assert SECRET[:6] not in content["text"]


def test_cookies_are_told_with_their_attributes() -> None:
    line = "sid=" + SECRET + "; Path=/owa; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure; HttpOnly"
    answer = response(200, "OK", span(6, 6, 6, 6), fields=(("Set-Cookie", line), ("set-cookie", "a=b; expires=never")))
    cookies = entry(Exchange("http/1.1", request("/", span(5, 5, 5, 5)), answer))["response"]["cookies"]
    assert cookies[0] | {"value": ""} == {
        "name": "sid", "value": "", "path": "/owa", "expires": "2026-10-21T07:28:00+00:00",
        "secure": True, "httpOnly": True,
    }  # fmt: skip
    assert cookies[1]["expires"] is None


def test_findings_stand_with_the_exchange_that_shows_them() -> None:
    finding = Finding(
        "ews.send-as", Severity.ERROR, Confidence.CERTAIN, "s", "a", (Evidence(15, 1, "w"), Evidence(15, 2, "w"))
    )
    said = (_exchange(), replace(_exchange(), request=request("/", span(30, 30, 200, 200)), response=None))
    analysis = analysis_of([conversation(1, session(), exchanges=said)], findings=(finding,))
    assert [each["_findings"] for each in har(analysis)] == [["ews.send-as"], []]
