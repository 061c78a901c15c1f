"""Conversations made by hand: every verdict that reads differently, every kind of exchange, and hostile text."""

from __future__ import annotations

from typing import Any

from tlsdecrypt.app.exchange import Exchange
from tlsdecrypt.app.http import HttpRequest, HttpResponse
from tlsdecrypt.conversation import (
    Conversation,
    Note,
    PlaintextDigest,
    StreamFacts,
)
from tlsdecrypt.flow import Direction, Endpoint, Span
from tlsdecrypt.tls.certificates import CertificateFacts
from tlsdecrypt.tls.events import AlertSeen, HandshakeSeen
from tlsdecrypt.tls.session import KeySource, TlsSession
from tlsdecrypt.tls.verdict import Verdict, VerdictCode

START = 1_795_487_450_123_456_789  # 2026-11-24T02:30:50.123456789Z
MILLISECOND = 1_000_000
NOTHING = PlaintextDigest(0, None)
SPKI = "ab" * 32
SECRET = "Tr0ub4dor3-marker"


def span(first: int, last: int, at_ms: int, until_ms: int) -> Span:
    """Frames `first` to `last`, in milliseconds after the start of the capture."""
    return Span(first, last, START + at_ms * MILLISECOND, START + until_ms * MILLISECOND)


CERTIFICATE = CertificateFacts(
    subject="CN=mail.contoso.com",
    issuer="CN=Contoso CA",
    serial="0a1b",
    sha1_thumbprint="AA" * 20,
    sha256_thumbprint="BB" * 32,
    spki_sha256=SPKI,
    not_before="2026-01-01T00:00:00Z",
    not_after="2027-01-01T00:00:00Z",
    names=("mail.contoso.com", "autodiscover.contoso.com"),
    key="RSA 2048 bits",
    signature="sha256WithRSAEncryption",
    der=b"\x30\x00",
)
DECRYPTED = Verdict(VerdictCode.DECRYPTED, "It was decrypted with keys/mail.pfx.")
FORWARD_SECRECY = Verdict(VerdictCode.FORWARD_SECRECY, "The suite has forward secrecy.", "Give a key log.")


def session(**changed: Any) -> TlsSession:
    facts: dict[str, Any] = {
        "version": "TLSv1.2",
        "cipher_suite": "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "server_name": "mail.contoso.com",
        "alpn": "http/1.1",
        "offered_alpn": ("http/1.1",),
        "offered_versions": ("TLSv1.2", "TLSv1.1"),
        "offered_cipher_suites": ("TLS_RSA_WITH_AES_128_GCM_SHA256",),
        "session_id": "00ff",
        "resumed": False,
        "resumption": None,
        "extended_master_secret": True,
        "encrypt_then_mac": False,
        "compression": None,
        "key_exchange_group": None,
        "handshakes": 1,
        "client_certificate_requested": False,
        "server_certificates": (CERTIFICATE,),
        "client_certificates": (),
        "alerts": (),
        "messages": (HandshakeSeen(Direction.CLIENT_TO_SERVER, "ClientHello", span(4, 4, 1, 1)),),
        "client_hello_span": span(4, 4, 1, 1),
        "key": KeySource("private key", "keys/mail.pfx", SPKI),
        "verdict": DECRYPTED,
        "records_decrypted": 6,
        "records_undecrypted": 0,
        "application_records_undecrypted": 0,
    }
    return TlsSession(**(facts | changed))


def conversation(number: int, tls: TlsSession | None, **changed: Any) -> Conversation:
    facts: dict[str, Any] = {
        "id": number,
        "client": Endpoint("192.0.2.10", 50000 + number),
        "server": Endpoint("198.51.100.20", 443),
        "span": span(10 * number, 10 * number + 9, 100 * number, 100 * number + 50),
        "has_syn": True,
        "streams": (StreamFacts(5, 1204, end="fin"), StreamFacts(7, 3411, end="fin")),
        "tls": tls,
        "application_data": (NOTHING, NOTHING),
        "application_protocol": None,
        "exchanges": (),
    }
    return Conversation(**(facts | changed))


def request(target: str, frames: Span, **changed: Any) -> HttpRequest:
    facts: dict[str, Any] = {
        "method": "POST",
        "target": target,
        "version": "HTTP/1.1",
        "fields": (("Host", "mail.contoso.com"), ("Cookie", f"cadata={SECRET}")),
        "content_length": 900,
    }
    return HttpRequest(span=frames, **(facts | changed))


def response(status: int, reason: str, frames: Span, **changed: Any) -> HttpResponse:
    facts: dict[str, Any] = {
        "version": "HTTP/1.1",
        "fields": (("Server", "Microsoft-IIS/8.5"),),
        "content_length": 2000,
    }
    return HttpResponse(status=status, reason=reason, span=frames, **(facts | changed))


SEND_AS_DENIED = {
    "http": {"service": "ews", "user": "avery", "auth": "Basic", "summary": "as avery (Basic)"},
    "soap": {"version": "1.1", "summary": "SOAP 1.1 CreateItem"},
    "ews": {
        "summary": "EWS CreateItem as avery@contoso.com -> Error ErrorSendAsDenied",
        "operation": "CreateItem",
        "response_class": "Error",
        "response_code": "ErrorSendAsDenied",
        "message_text": "The user may not send as \x1b[31mavery@adatum.com.",
        "responses": [
            {"class": "Error", "code": "ErrorSendAsDenied", "message_text": "The user may not send as \x1b[31mavery."},
            {"class": "Success", "code": "NoError", "message_text": None},
        ],
    },
}
SETTINGS = {
    "autodiscover": {
        "summary": "Autodiscover POX of avery@contoso.com -> settings",
        "kind": "pox",
        "email_address": "avery@contoso.com",
        "action": "settings",
        "error_code": "NoError",
        "protocols": [
            {
                "type": "EXPR",
                "server": "mail.contoso.com",
                "auth_package": "Basic",
                "ews_url": "https://mail.contoso.com/ews/exchange.asmx",
            },
        ],
    },
}


GET_USER_SETTINGS = {
    "autodiscover": {
        "summary": "Autodiscover SOAP GetUserSettings avery@contoso.com -> NoError",
        "kind": "soap",
        "error_code": "NoError",
        "results": [
            {
                "mailbox": "avery@contoso.com",
                "settings": {"ExternalEwsUrl": "https://mail.contoso.com/ews/exchange.asmx"},
                "setting_errors": [{"name": "Oab", "error_code": "SettingIsNotAvailable", "message": "Not set."}],
            },
        ],
        "token_issuers": [{"endpoint": "https://login.example/sts", "uri": "urn:federation"}],
    },
}


def conversations() -> tuple[Conversation, ...]:
    denied = Exchange(
        "http/1.1",
        request("/EWS/Exchange.asmx", span(12, 13, 112, 113)),
        response(200, "OK", span(15, 17, 149, 150), missing=15268),
        SEND_AS_DENIED,
        ("the answer has two Content-Length fields",),
    )
    unanswered = Exchange("http/1.1", request("/owa/\x1b]0;pwned\x07?token=" + SECRET, span(18, 18, 150, 150)), None)
    settings = Exchange(
        "http/1.1",
        request("/autodiscover/autodiscover.xml", span(61, 61, 601, 601)),
        response(401, "Unauthorized", span(63, 63, 605, 605), content_length=0),
        SETTINGS,
    )
    moved = {"http": {"location": "https://mail.contoso.com/", "retry_after": "120"}, **GET_USER_SETTINGS}
    orphan = Exchange("http/1.1", None, response(302, "Found", span(55, 55, 520, 520)), moved)
    alert = AlertSeen(Direction.CLIENT_TO_SERVER, "fatal", "unknown_ca", span(46, 46, 420, 420))
    farewell = AlertSeen(Direction.SERVER_TO_CLIENT, "warning", "close_notify", span(19, 19, 150, 150))
    return (
        conversation(
            1,
            session(resumed=True, resumption="ticket", alerts=(farewell,)),
            application_data=(PlaintextDigest(1804, "c1" * 32), PlaintextDigest(4000, "5e" * 32)),
            application_protocol="http/1.1",
            exchanges=(denied, unanswered),
            notes=(Note("15,268 bytes not captured, after frame 14", span(14, 15, 120, 149)),),
        ),
        conversation(2, session(key=None, verdict=FORWARD_SECRECY)),
        conversation(3, session(key=None, verdict=FORWARD_SECRECY)),
        conversation(
            4,
            session(
                key=None,
                alerts=(alert,),
                verdict=Verdict(VerdictCode.HANDSHAKE_FAILED, "The client did not trust the certificate."),
            ),
        ),
        conversation(5, None, application_protocol="http/1.1", exchanges=(orphan,)),
        conversation(
            6,
            session(verdict=Verdict(VerdictCode.PARTLY_DECRYPTED, "Two records are damaged.", "Capture again.")),
            client=Endpoint("2001:db8::1", 50006),
            exchanges=(settings,),
        ),
    )
