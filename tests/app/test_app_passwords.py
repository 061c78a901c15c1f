"""Passwords are found in the content of requests, in every kind of content that logs somebody on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.passwords import MAX_PASSWORDS, may_hold_passwords, passwords_in


@pytest.mark.parametrize(
    ("content", "passwords"),
    [
        (b"destination=x&username=avery&password=Spring%26+2026&flags=4", ("Spring& 2026",)),
        (b"oldPwd=one&newPwd1=two&newPwd2=two", ("one", "two")),
        (b"pass=one&compass=two", ("one",)),
        (b"p%61ssword=one", ("one",)),
        (b'{"user": "avery", "password" : "a\\"b", "nested": {"passwd": "c"}}', ('a"b', "c")),
        (rb'{"log": "{\"password\": \"a\\\"b\", \"more\": \"{\\\"pwd\\\": \\\"c\\\"}\"}"}', ('a"b', "c")),
        (b"<w:Password Type='PasswordText'>a&amp;b</w:Password><Passwords>c</Passwords>", ("a&b",)),
        (b"<OldPassword><![CDATA[x<y]]></OldPassword>", ("x<y",)),
        ("\ufeff<Password>wide</Password>".encode("utf-16-le"), ("wide",)),
        (rb'{"password": "a\x"}', (r"a\x",)),
        (b"<Password/><Password></Password>", ()),
        (b"", ()),
    ],
)
def test_passwords_are_found(content: bytes, passwords: tuple[str, ...]) -> None:
    assert passwords_in(content) == passwords


def test_the_number_of_passwords_is_bounded() -> None:
    assert len(passwords_in(b"&".join(b"password=%d" % number for number in range(100)))) == MAX_PASSWORDS


def test_forms_and_json_are_read_for_passwords() -> None:
    assert may_hold_passwords("Application/X-WWW-form-urlencoded; charset=UTF-8")
    assert may_hold_passwords("application/json")
    assert not may_hold_passwords("application/octet-stream")
    assert not may_hold_passwords(None)


@given(st.binary(max_size=200))
def test_nothing_makes_the_search_fail(content: bytes) -> None:
    assert all(isinstance(each, str) for each in passwords_in(content))
