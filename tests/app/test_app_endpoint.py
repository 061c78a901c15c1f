"""Which service a request asks, and which decoder a connection gets."""

from __future__ import annotations

import pytest

from tlsdecrypt.app.decoder import choose_decoder
from tlsdecrypt.app.endpoint import classify


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("/Autodiscover/Autodiscover.xml", "autodiscover-pox"),
        ("/autodiscover/autodiscover.svc/WSSecurity/x509cert", "autodiscover-soap"),
        ("/autodiscover/autodiscover.json?Email=a%40b", "autodiscover-v2"),
        ("/autodiscover/autodiscover.json/v1.0/a@b", "autodiscover-v2"),
        ("/EWS/mrsproxy.svc", "mrsproxy"),
        ("/EWS/Exchange.asmx/WSSecurity", "ews"),
        ("/ews/Services.wsdl", "ews"),
        ("https://mail.contoso.com/EWS/Exchange.asmx", "ews"),
        ("/mapi/emsmdb/?MailboxId=x", "mapi-http"),
        ("/rpc/rpcproxy.dll?mail.contoso.com:6001", "outlook-anywhere"),
        ("/rpcwithcert/rpcproxy.dll?x", "outlook-anywhere"),
        ("/Microsoft-Server-ActiveSync?Cmd=Sync", "activesync"),
        ("/owa", "owa"),
        ("/owa/auth.owa", "owa"),
        ("/ecp/", "ecp"),
        ("/oab/1234/oab.xml", "oab"),
        ("/powershell?serializationLevel=Full", "wsman"),
        ("/public/?cmd=freebusy", "legacy-free-busy"),
        ("/adfs/services/trust/mex", "ws-trust"),
        ("/FederationMetadata/2007-06/FederationMetadata.xml", "ws-trust"),
        ("/extSTS.srf", "ws-trust"),
        ("/common/oauth2/token", "oauth"),
        ("/tenant/oauth2/v2.0/token", "oauth"),
        ("/CookieAuth.dll?GetLogon", "tmg-forms"),
        ("/owanother", None),
        ("/", None),
        ("*", None),
        ("", None),
    ],
)
def test_a_path_names_the_service(target: str, service: str | None) -> None:
    assert classify("POST", target) == service


def test_outlook_anywhere_has_methods_of_its_own() -> None:
    assert classify("RPC_IN_DATA", "/anything") == "outlook-anywhere"


@pytest.mark.parametrize(
    ("alpn", "first", "port", "expected"),
    [
        ("http/1.1", b"", 9999, "http/1.1"),
        ("h2", b"GET / HTTP/1.1\r\n", 443, "http/2"),
        (None, b"GET / HTTP/1.1\r\n", 9999, "http/1.1"),
        (None, b"RPC_IN_DATA /rpc/rpcproxy.dll", 9999, "http/1.1"),
        (None, b"BREW /pot HTTP/1.1\r\n", 9999, "http/1.1"),
        (None, b"HTTP/1.1 200 OK\r\n", 9999, "http/1.1"),
        (None, b"G", 443, "http/1.1"),
        (None, b"middle of some content", 443, "http/1.1"),
        (None, b"middle of some content", 9999, None),
        (None, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 443, "http/2"),
        (None, b"EHLO mail.contoso.com\r\n", 443, "smtp"),
        (None, b"220 mail.contoso.com ESMTP\r\n", 9999, "smtp"),
        (None, b"220 ********************", 25, "smtp"),
        (None, b"220 Microsoft FTP Service\r\n", 21, None),
        (None, b"middle of some message", 25, "smtp"),
        (None, b"\x17\x03\x03\x00\x20", 25, None),
        (None, b"+OK Dovecot ready.\r\n", 110, "pop3"),
        (None, b"+OK POP3 server ready\r\n", 9999, "pop3"),
        (None, b"+OK\r\n", 6379, None),
        (None, b"* OK IMAP4rev1 ready\r\n", 9999, "imap"),
        (None, b"* OK ready\r\n", 143, "imap"),
        (None, b"* OK ready\r\n", 25, None),
        ("imap", b"", 9999, "imap"),
        (None, b"USER avery\r\nPASS x\r\n", 1100, "pop3"),
        (None, b"USER avery\r\nPASS x\r\n", 21, None),
        (None, b"", 9999, None),
    ],
)
def test_a_decoder_is_chosen_by_alpn_first_bytes_and_port(
    alpn: str | None, first: bytes, port: int, expected: str | None
) -> None:
    decoder = choose_decoder(alpn, first, port)
    assert (decoder.name if decoder is not None else None) == expected
