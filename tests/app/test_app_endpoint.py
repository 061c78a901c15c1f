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
        ("http/1.1", b"", 9999, True),
        ("h2", b"GET / HTTP/1.1\r\n", 443, False),
        (None, b"GET / HTTP/1.1\r\n", 9999, True),
        (None, b"RPC_IN_DATA /rpc/rpcproxy.dll", 9999, True),
        (None, b"BREW /pot HTTP/1.1\r\n", 9999, True),
        (None, b"HTTP/1.1 200 OK\r\n", 9999, True),
        (None, b"G", 443, True),
        (None, b"middle of some content", 443, True),
        (None, b"middle of some content", 9999, False),
        (None, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 443, False),
        (None, b"EHLO mail.contoso.com\r\n", 443, False),
        (None, b"220 mail.contoso.com ESMTP\r\n", 25, False),
        (None, b"", 9999, False),
    ],
)
def test_a_decoder_is_chosen_by_alpn_first_bytes_and_port(
    alpn: str | None, first: bytes, port: int, *, expected: bool
) -> None:
    decoder = choose_decoder(alpn, first, port)
    assert (decoder is not None) == expected
    if decoder is not None:
        assert decoder.name == "http/1.1"
