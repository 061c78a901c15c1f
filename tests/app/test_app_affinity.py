"""Cookies that bind a client to a server: those of balancers, and of the front end of Exchange."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsdecrypt.app.affinity import MAX_NAME, affinity_of


def back_end(text: str) -> str:
    return base64.b64encode(bytes(each ^ 0xFF for each in text.encode())).decode()


def test_the_back_end_is_read_and_its_expiry_is_not() -> None:
    # As published in analyses of 2021 of the front end (Database~, inverted): u56Lnp2ejJqB
    assert back_end("Database~").startswith("u56Lnp2ejJqB")
    values = [back_end(f"Database~8b1c-42~~2023-11-14T22:{minute}:25").rstrip("=") for minute in (13, 23)]
    found = [affinity_of([f"a=b; X-BackEndCookie=S-1-5-21-42={each}; c=d"]) for each in values]
    assert found == [{"x-backendcookie": "8b1c-42"}] * 2
    server = back_end("Server~EX01.contoso.local~1941962752~2023-11-14T22:23:25")
    assert affinity_of([f"X-BackEndCookie={server}"]) == {"x-backendcookie": "ex01.contoso.local"}


@pytest.mark.parametrize("name", ["BIGipServerpool_mapi", "ARRAffinity", "NSC_mapi", "SERVERID", "AWSELB"])
def test_cookies_of_balancers_are_compared_and_not_shown(name: str) -> None:
    one, same, other = (affinity_of([f"{name}={value}"])[name.lower()] for value in ("335549194", "335549194", "35"))
    assert one == same != other
    assert "335549194" not in one


def test_what_the_answer_sets_counts_more() -> None:
    found = affinity_of(["SERVERID=a"], ["SERVERID=b; path=/; secure", "other=c"])
    assert found == affinity_of(["SERVERID=b"])


@pytest.mark.parametrize("field", ["AWSALB=changes", "MapiContext=x", "X-BackEndCookie=AAAAAAAAAAAA", "SERVERID", ""])
def test_other_cookies_bind_to_nothing(field: str) -> None:
    assert affinity_of([field]) == {}


@given(st.text(max_size=60), st.sampled_from(["X-BackEndCookie=", "BIGipServer", ""]))
def test_any_text_gives_short_names_or_nothing(text: str, before: str) -> None:
    for name, bound in affinity_of([before + text], [before + text]).items():
        assert len(name) <= MAX_NAME
        assert 0 < len(bound) <= MAX_NAME
