"""Names that stand alone: as the library writes and shows them, and as OpenSSL asks for certificates of them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.distinguished_name import describe_name, parse_name

KINDS = [NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.EMAIL_ADDRESS, NameOID.DOMAIN_COMPONENT]
ATTRIBUTES = st.builds(x509.NameAttribute, st.sampled_from(KINDS), st.text("abc äß,+ ", min_size=1, max_size=30))
NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso, GmbH"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Issuing CA ä"),
    ]
)


def test_a_name_is_shown_as_the_library_shows_it() -> None:
    assert describe_name(NAME.public_bytes()) == "CN=Issuing CA ä,O=Contoso\\, GmbH,C=DE"


@given(st.lists(ATTRIBUTES, max_size=4))
def test_any_name_is_read_as_the_library_wrote_it(attributes: list[x509.NameAttribute[str]]) -> None:
    name = x509.Name(attributes)
    assert parse_name(name.public_bytes()).rfc4514_string() == name.rfc4514_string()


def test_wide_and_unknown_kinds_of_text_are_read() -> None:
    name = bytes.fromhex(
        "3017 3115 3013 0603 550403"  # CN
        "1e0c 004d 0061 0069 006c 0020 0041"  # BMPString
    )
    assert describe_name(name) == "CN=Mail A"


@pytest.mark.parametrize("length", range(len(NAME.public_bytes())))
def test_a_name_that_is_cut_is_a_parse_error_and_is_shown_in_hex(length: int) -> None:
    cut = NAME.public_bytes()[:length]
    with pytest.raises(ParseError):
        parse_name(cut)
    assert describe_name(cut) == f"#{cut.hex()}"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_name_or_hex(data: bytes) -> None:
    shown = describe_name(data)
    assert shown == f"#{data.hex()}" or shown == parse_name(data).rfc4514_string()


def test_a_long_list_of_sets_and_a_country_of_three_letters_are_no_tracebacks() -> None:
    assert describe_name(bytes.fromhex("300e 310c 300a 0603 550406 1303 444555")).startswith("#")
    assert describe_name(b"\x30\x83\x01\x00\x00" + b"\x31\x00" * (1 << 15)).startswith("#")
