"""Which sessions a Cookie field continues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.cookies import MAX_COOKIES, session_cookies

SECRET = "c29tZS1tYXBpLWNvbnRleHQ"


def test_a_session_is_named_by_a_fingerprint_and_not_by_its_value() -> None:
    (session,) = session_cookies(f"lang=en; MapiContext={SECRET}; theme=dark")
    name, _, fingerprint = session.partition("#")
    assert (name, len(fingerprint)) == ("MapiContext", 8)
    assert SECRET not in session
    assert session_cookies(f"MapiContext={SECRET}") == [session] != session_cookies("MapiContext=other")


def test_cookies_of_no_session_are_left_out() -> None:
    assert session_cookies("lang=en; sessionid=; BIGipServerpool=1.2.3") == []


@given(st.text(max_size=200))
def test_any_field_gives_a_bounded_list(field: str) -> None:
    assert len(session_cookies(field)) <= MAX_COOKIES
