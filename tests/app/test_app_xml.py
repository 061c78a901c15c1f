"""XML from strangers: encodings, damage, and hostility."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.xml import find, find_all, is_xml_type, local_name, parse_xml, text_at, text_of


def test_names_are_found_whatever_the_namespace() -> None:
    root, faults = parse_xml(b'<a:r xmlns:a="http://x" xmlns:b="https://x"><a:c><b:d> one\n two </b:d></a:c></a:r>')
    assert faults == []
    assert root is not None
    assert local_name(root) == "r"
    assert text_at(root, "c", "d") == "one two"
    assert [text_of(each) for each in find_all(root, "d")] == ["one two"]
    assert find(root, "d") is None


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ("<r>Jörg</r>".encode(), None),
        ("\ufeff<r>Jörg</r>".encode(), "text/xml; charset=iso-8859-1"),
        ("<r>Jörg</r>".encode("utf-16"), "text/xml; charset=utf-8"),
        ("<r>Jörg</r>".encode("utf-16-le"), "text/xml"),
        ('<?xml version="1.0" encoding="utf-16"?><r>Jörg</r>'.encode(), 'text/xml; charset="UTF-8"'),
        ('<?xml version="1.0" encoding="iso-8859-1"?><r>Jörg</r>'.encode("latin-1"), "text/xml"),
        ("<r>Jörg</r>".encode("latin-1"), "text/xml;charset=ISO-8859-1"),
        ("\r\n  <r>Jörg</r>\r\n".encode(), "text/xml; charset=nonsense"),
    ],
)
def test_encodings_are_told_apart(data: bytes, content_type: str | None) -> None:
    root, _ = parse_xml(data, content_type)
    assert text_of(root) == "Jörg"


def test_a_cut_document_gives_what_stands_before_the_cut() -> None:
    root, faults = parse_xml(b"<r><a>1</a><b>2</b><c")
    assert text_at(root, "a") == "1"
    assert text_at(root, "b") == "2"
    assert faults
    assert all(each.startswith("the XML is damaged at line 1") for each in faults)


def test_what_is_no_xml_is_said() -> None:
    assert parse_xml(b"") == (None, [])
    for data in (b"plain", b"\x00\x01\x02", b"{}"):
        root, faults = parse_xml(data)
        assert root is None
        assert faults


BOMB = b"<!DOCTYPE r [<!ENTITY a 'x'>%b]><r b='&h;'>&h;</r>" % b"".join(
    b"<!ENTITY %c '%b'>" % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("i"))
)


@pytest.mark.parametrize(
    "data",
    [BOMB, BOMB.decode().encode("utf-16"), b'<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]><r>&f;</r>',
     b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><r>a</r>'],
)  # fmt: skip
def test_entities_are_named_and_never_expanded(data: bytes) -> None:
    root, faults = parse_xml(data)
    assert root is None
    assert faults == ["the XML declares entities, which is hostile: not read"]


def test_a_doctype_is_named() -> None:
    root, faults = parse_xml(b'<!DOCTYPE html PUBLIC "-//W3C//DTD" "http://127.0.0.1:9/x.dtd"><html/>')
    assert root is not None
    assert faults == ["the XML has a DOCTYPE, which no Exchange protocol allows"]


def test_deep_nesting_is_bounded_and_named() -> None:
    _, faults = parse_xml(b"<a>" * 100_000 + b"</a>" * 100_000)
    assert any("damaged" in each for each in faults)


def test_long_text_is_shortened() -> None:
    root, _ = parse_xml(b"<a>" + b"x" * 10_000 + b"</a>")
    text = text_of(root)
    assert text is not None
    assert len(text) == 500
    assert text.endswith("...")


def test_faults_never_quote_content() -> None:
    _, faults = parse_xml(b"<a>Tr0ub4dor&marker;<b</a>")
    assert faults
    assert not any("marker" in each for each in faults)


def test_types_of_xml_are_known() -> None:
    assert is_xml_type("Text/XML; charset=utf-8")
    assert is_xml_type("application/soap+xml")
    assert not is_xml_type("text/html")
    assert not is_xml_type(None)


@given(st.binary(max_size=100), st.sampled_from([None, "text/xml; charset=utf-16", "text/xml; charset=utf-7"]))
def test_no_bytes_make_it_fail(data: bytes, content_type: str | None) -> None:
    root, _ = parse_xml(b"<a>" + data, content_type)
    text = text_of(root)
    assert text is None or isinstance(text, str)
