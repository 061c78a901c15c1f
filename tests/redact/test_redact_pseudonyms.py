from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.redact.pseudonyms import Pseudonyms


@pytest.fixture
def pseudonyms() -> Pseudonyms:
    made = Pseudonyms(b"salt")
    made.learn_host("mail.contoso.com")
    made.learn_user("CONTOSO\\blake")
    made.learn_host("EXCH01")
    return made


@pytest.mark.parametrize(
    "name",
    [
        "192.0.2.21", "198.51.100.25:443", "2001:db8::10", "fe80::1c2d", "02:00:c0:00:02:0a", "02-00-C0-00-02-0A",
        "contoso.com", "autodiscover.contoso.com", "srv1.fabrikam.local", "CN=mail.contoso.com", "O=Contoso",
        "CONTOSO\\blake", "blake", "Blake@contoso.com", "kim%40fabrikam.com", "EXCH01", "exch01.contoso.com",
        "https://192.0.2.21/owa", "X-Forwarded-For: 203.0.113.9, 203.0.113.10",
    ],
)  # fmt: skip
def test_a_name_becomes_another_of_the_same_length(name: str, pseudonyms: Pseudonyms) -> None:
    other = pseudonyms.text(name)
    assert other != name
    assert len(other) == len(name)
    assert pseudonyms.text(name) == other
    assert pseudonyms.data(name.encode()) == other.encode()
    for part in ("contoso", "blake", "fabrikam", "kim", "exch01", "192.0.2", "203.0.113", "2001:db8"):
        assert part not in other.lower()


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "::1", "ff02::1", "ff:ff:ff:ff:ff:ff",
        "http://schemas.microsoft.com/exchange/2006/types", "15.01.2507.000", "Chrome/120.0.0.0", "09:14:02.123",
        "autodiscover.xml", "Exchange.asmx", "System.Net.Http", "TLS_RSA_WITH_AES_128_GCM_SHA256", "", "GET / HTTP/1.1",
        "1.2.840.113549.1.1.11", "http/1.1",
    ],
)  # fmt: skip
def test_what_names_nobody_stays(text: str, pseudonyms: Pseudonyms) -> None:
    assert pseudonyms.text(text) == text


def test_names_that_belong_together_still_do(pseudonyms: Pseudonyms) -> None:
    mail, other, user, subject = (
        pseudonyms.text(text) for text in ("mail.contoso.com", "blake@contoso.com", "CONTOSO\\blake", "O=Contoso Ltd")
    )
    domain = mail.split(".")[1]
    assert mail == f"mail.{domain}.com"
    assert other.endswith(f"@{domain}.com")
    assert user == f"{domain.upper()}\\{other.partition('@')[0]}"
    assert subject == f"O={domain} Ltd"


def test_another_run_has_other_pseudonyms() -> None:
    assert Pseudonyms().text("192.0.2.21 kim@contoso.com") != Pseudonyms().text("192.0.2.21 kim@contoso.com")


def test_names_are_counted_by_kind(pseudonyms: Pseudonyms) -> None:
    pseudonyms.text("192.0.2.21 192.0.2.21 blake@contoso.com 02:00:c0:00:02:0a")
    assert pseudonyms.counts == {"address": 2, "user": 1, "host": 1, "mac": 1}


@given(st.sets(st.ip_addresses(), max_size=40))
def test_different_addresses_have_different_valid_pseudonyms_that_lead_back(addresses: set[object]) -> None:
    made = Pseudonyms(b"salt")
    others = {}
    for each in map(str, addresses):
        other = made.address(each)
        assert len(other) == len(each)
        assert ip_address(other).version == ip_address(each).version
        assert made.original(other) == each
        others[each] = other
    assert len(set(others.values())) == len(others)


@given(st.text(max_size=200))
def test_any_text_keeps_its_length(text: str) -> None:
    made = Pseudonyms(b"salt")
    made.learn_user(text)
    made.learn_host(text)
    assert len(made.text(text)) == len(text)


@given(st.binary(max_size=200))
def test_any_bytes_keep_their_length(data: bytes) -> None:
    assert len(Pseudonyms(b"salt").data(data)) == len(data)
