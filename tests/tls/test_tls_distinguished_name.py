"""Names that stand alone: as the library writes and shows them, and as OpenSSL asks for certificates of them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls.der import encode
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


@pytest.mark.parametrize(
    ("kind", "value", "shown"), [("06", b"DEU", "C=DEU"), ("0a", b"", "O="), ("03", b"a" * 80, f"CN={'a' * 80}")]
)
def test_values_that_the_standard_forbids_are_shown_as_those_of_certificates_are(
    kind: str, value: bytes, shown: str
) -> None:
    """A country of three letters, an empty organisation, a common name of more than 64 characters."""
    pair = bytes.fromhex(f"0603 5504{kind}") + b"\x0c" + bytes((len(value),)) + value
    for tag in (0x30, 0x31, 0x30):
        pair = bytes((tag, len(pair))) + pair
    assert describe_name(pair) == shown


def test_an_object_identifier_of_a_thousand_octets_is_none() -> None:
    arcs = b"\x55" + b"\x81" * 998 + b"\1"
    for content in (arcs, b"\x55" + b"\4" * 999):
        pair = encode(0x30, encode(0x06, content), encode(0x0C, b"a"))
        assert describe_name(encode(0x30, encode(0x31, pair))).startswith("#30")


def test_a_long_list_of_sets_is_no_traceback() -> None:
    assert describe_name(b"\x30\x83\x01\x00\x00" + b"\x31\x00" * (1 << 15)).startswith("#")
