from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.errors import ParseError
from tlsdecrypt.tls import extensions
from tlsdecrypt.tls.extensions import MOST_EXTENSIONS, Extensions, parse_extensions
from tlsdecrypt.wire import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

# name: parser, content in hex, value; the layouts are those of the RFC that the parser names
CASES: dict[str, tuple[Callable[[bytes], object], str, object]] = {
    "server_name": (extensions.parse_server_name, "000e 00 000b 6578616d706c652e636f6d", "example.com"),
    "alpn": (extensions.parse_alpn, "000c 02 6832 08 687474702f312e31", ("h2", "http/1.1")),
    "client_versions": (extensions.parse_client_versions, "04 0304 0303", (0x0304, 0x0303)),
    "uint16": (extensions.parse_uint16, "7f1c", 0x7F1C),
    "groups": (extensions.parse_uint16_list, "0004 001d 0a0a", (29, 0x0A0A)),
    "modes": (extensions.parse_uint8_list, "02 00 01", (0, 1)),
    "renegotiation": (extensions.parse_opaque8, "03 010203", b"\1\2\3"),
    "fragment": (extensions.parse_max_fragment_length, "02", 1024),
    "client_shares": (
        extensions.parse_client_key_shares,
        "000d 001d 0004 01020304 0a0a 0001 00",
        ((29, b"\1\2\3\4"), (0x0A0A, b"\0")),
    ),
    "server_share": (extensions.parse_server_key_share, "0017 0002 aabb", (23, b"\xaa\xbb")),
    "psks": (
        extensions.parse_offered_psks,
        "000a 0004 7469636b 00000064 0004 03 aabbcc",
        (((b"tick", 100),), (b"\xaa\xbb\xcc",)),
    ),
    "types_offered": (extensions.parse_certificate_types, "02 02 00", (2, 0)),
    "type_chosen": (extensions.parse_certificate_types, "02", (2,)),
}
CUT_IS_VALID = {"server_name": [0], "types_offered": [1]}


def content(name: str) -> bytes:
    return bytes.fromhex(CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_an_extension_is_read(name: str) -> None:
    assert CASES[name][0](content(name)) == CASES[name][2]


@pytest.mark.parametrize("name", CASES)
def test_a_cut_extension_is_a_parse_error(name: str) -> None:
    for length in range(len(content(name))):
        if length in CUT_IS_VALID.get(name, []):
            continue
        with pytest.raises(ParseError):
            CASES[name][0](content(name)[:length])


def prefixed(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def shorts(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


# What a value looks like in an extension, after the RFC that its parser names.
WRITTEN: dict[str, Callable[[Any], bytes]] = {
    "server_name": lambda name: prefixed(2, name.encode()),
    "alpn": lambda names: prefixed(2, b"".join(prefixed(1, name.encode()) for name in names)),
    "client_versions": lambda versions: prefixed(1, shorts(*versions)),
    "uint16": shorts,
    "groups": lambda groups: prefixed(2, shorts(*groups)),
    "modes": lambda modes: prefixed(1, bytes(modes)),
    "renegotiation": lambda content: prefixed(1, content),
    "fragment": lambda length: bytes([(length >> 9).bit_length()]),
    "client_shares": lambda shares: prefixed(2, b"".join(shorts(group) + prefixed(2, key) for group, key in shares)),
    "server_share": lambda share: shorts(share[0]) + prefixed(2, share[1]),
    "psks": lambda psks: (
        prefixed(2, b"".join(prefixed(2, identity) + age.to_bytes(4, "big") for identity, age in psks[0]))
        + prefixed(2, b"".join(prefixed(1, binder) for binder in psks[1]))
    ),
    "types_offered": bytes,
    "type_chosen": bytes,
}


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_written_as_it_was_read(name: str) -> None:
    assert WRITTEN[name](CASES[name][2]) in content(name)


def lists_of(content: bytes) -> st.SearchStrategy[bytes]:
    """The content alone, with a length before it, and as the only element of a list."""
    one, two = prefixed(1, content), prefixed(2, content)
    return st.sampled_from([content, one, two, prefixed(2, one), prefixed(2, two), prefixed(2, b"\0" + two)])


@pytest.mark.parametrize("name", CASES)
@given(data=(st.binary(max_size=40) | st.text("abc/.1", max_size=20).map(str.encode)).flatmap(lists_of))
def test_random_bytes_in_an_extension_are_what_is_read_or_a_parse_error(name: str, data: bytes) -> None:
    try:
        value = CASES[name][0](data)
    except ParseError:
        return
    if value is None:
        assert name == "server_name"
    elif "\\" not in str(value) or name not in ("server_name", "alpn"):  # odd bytes in names are escaped
        assert WRITTEN[name](value) in data


def test_odd_bytes_in_names_are_kept_visible() -> None:
    assert extensions.parse_alpn(bytes.fromhex("0003 02 ff41")) == ("\\xffA",)
    assert extensions.parse_server_name(bytes.fromhex("0005 00 0002 0a41")) == "\nA"


def test_a_name_of_another_type_is_passed_over() -> None:
    assert extensions.parse_server_name(bytes.fromhex("0009 07 0001 78 00 0002 6f6b")) == "ok"
    assert extensions.parse_server_name(bytes.fromhex("0004 07 0001 78")) is None


@pytest.mark.parametrize("code", [0, 5, 255])
def test_a_fragment_length_of_no_known_code_is_refused(code: int) -> None:
    with pytest.raises(ParseError, match="no known code"):
        extensions.parse_max_fragment_length(bytes([code]))


def test_a_list_of_odd_length_is_refused() -> None:
    with pytest.raises(ParseError, match="odd length"):
        extensions.parse_uint16_list(bytes.fromhex("0003 001d 00"))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=12))
def test_extensions_come_back_as_they_were_written(entries: list[tuple[int, bytes]]) -> None:
    block = b"".join(kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body for kind, body in entries)
    assert parse_extensions(Reader(len(block).to_bytes(2, "big") + block)) == Extensions(tuple(entries))


@given(st.lists(st.tuples(st.sampled_from([0, 1, 10, 16, 28, 41, 43, 51]), st.binary(max_size=20)), max_size=6))
def test_no_property_raises_whatever_an_extension_holds(entries: list[tuple[int, bytes]]) -> None:
    value = Extensions(tuple(entries))
    for name in dir(Extensions):
        if not name.startswith("_"):
            assert getattr(value, name) == getattr(value, name)  # what was read once is remembered


@pytest.mark.parametrize("block", ["0005 0000 0002 61", "0003 0000 00"])
def test_an_extension_that_reaches_beyond_the_block_is_a_parse_error(block: str) -> None:
    with pytest.raises(ParseError, match="extension"):
        parse_extensions(Reader(bytes.fromhex(block + "6162636465")))


def test_drafts_have_their_own_number_for_key_shares() -> None:
    share = bytes.fromhex("001d 0001 aa")
    assert Extensions(((40, share),)).server_key_share == (29, b"\xaa")
    assert Extensions(((40, share), (51, bytes.fromhex("0017 0001 bb")))).server_key_share == (23, b"\xbb")


def test_what_is_only_present_or_absent_is_told() -> None:
    names = {
        4: "has_truncated_hmac",
        22: "has_encrypt_then_mac",
        23: "has_extended_master_secret",
        42: "has_early_data",
        65037: "has_encrypted_client_hello",
    }
    for kind, name in names.items():
        assert getattr(Extensions(((kind, b""),)), name)
        assert not getattr(Extensions(), name)


def test_of_thousands_of_extensions_only_the_first_are_kept() -> None:
    block = b"".join(kind.to_bytes(2, "big") + b"\0\0" for kind in range(9_000))
    found = parse_extensions(Reader(len(block).to_bytes(2, "big") + block))
    assert [kind for kind, _ in found.entries] == list(range(MOST_EXTENSIONS))
    with pytest.raises(ParseError, match="extension header cut"):
        parse_extensions(Reader((len(block) + 1).to_bytes(2, "big") + block + b"\0"))
