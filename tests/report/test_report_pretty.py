"""Contents laid out for reading: nothing is lost or added but white space, and nothing of a stranger is obeyed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tlsdecrypt.report.pretty import MAX_GROWTH, MAX_PRETTY, pretty_text
from tlsdecrypt.report.shown_content import ShownContent

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def pretty(text: str | None, media_type: str = "") -> str | None:
    return pretty_text(ShownContent(b"", media_type, 0, is_cut=False, text=text))


def test_json_is_indented() -> None:
    assert pretty('{"a":[1,{"b":null}],"c":{},"d":[]}', "application/json") == (
        '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}'
    )


@given(VALUES)
def test_laid_out_json_means_the_same(value: Any) -> None:
    text = pretty(json.dumps(value), "application/json; charset=utf-8")
    assert text is not None
    assert json.loads(text) == value


def test_json_keeps_doubled_names_and_the_spelling_of_numbers() -> None:
    assert pretty('{"a":1.10,"a":123456789012345678901234567890}', "application/json") == (
        '{\n  "a": 1.10,\n  "a": 123456789012345678901234567890\n}'
    )


@given(st.text(alphabet='{}[]:,"\\ \na1'))
def test_broken_json_keeps_all_its_characters(text: str) -> None:
    shown = pretty(text, "application/json")
    assert shown is not None
    assert "".join(shown.split()) == "".join(text.split())


def test_json_is_known_without_its_media_type() -> None:
    assert pretty("[1,2]") == "[\n  1,\n  2\n]"


def test_brackets_alone_do_not_grow_without_end() -> None:
    text = "[" * 100_000
    assert len(pretty(text, "application/json") or "") <= MAX_GROWTH * len(text) + 100


def test_xml_is_indented_and_keeps_its_declaration() -> None:
    sent = '\ufeff<?xml version="1.0" encoding="utf-16"?><a xmlns="urn:x"><b c="1">\u00e9</b><d/></a>'
    assert pretty(sent, "text/xml") == (
        '<?xml version="1.0" encoding="utf-16"?>\n<a xmlns="urn:x">\n  <b c="1">\u00e9</b>\n  <d/>\n</a>'
    )


def test_comments_and_mixed_text_of_xml_stay() -> None:
    sent = "<a><!-- c --><?p i?>x<b/>y</a>"
    assert pretty(sent, "text/xml") == "<a>\n  <!-- c -->\n  <?p i?>x<b/>y</a>"


@pytest.mark.parametrize(
    "text",
    [
        "<a><b></a>",
        "<a>",
        "<",
        "<a>" * 1_000,
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<a>&undefined;</a>",
        "<a>\x00</a>",
        "no markup",
        "",
    ],
)
def test_what_is_no_harmless_xml_is_shown_as_it_was_sent(text: str) -> None:
    assert pretty(text, "application/soap+xml") == text


@given(st.text(alphabet="<>&;!?ab/ \"'=[]"))
def test_whatever_is_called_xml_is_shown(text: str) -> None:
    shown = pretty(text, "text/xml")
    assert shown is not None
    try:
        before = etree.fromstring(text.strip().encode())
    except etree.XMLSyntaxError:
        assert "".join(shown.split()) == "".join(text.split())
    else:
        assert etree.fromstring(shown.encode()).tag == before.tag


def test_html_is_left_alone() -> None:
    assert pretty("<p>a<b>c</b></p>", "text/html") == "<p>a<b>c</b></p>"


def test_forms_have_a_parameter_a_line() -> None:
    assert pretty("a=1&b=2", "application/x-www-form-urlencoded") == "a=1\n&b=2"


def test_what_is_no_text_has_no_form() -> None:
    assert pretty(None, "text/xml") is None


def test_what_is_too_long_is_left_alone() -> None:
    text = "[1]" + " " * MAX_PRETTY
    assert pretty(text, "application/json") is text
