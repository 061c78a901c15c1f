"""What pages say that come where a program expects something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import C, S, Scene, http_request, http_response

from tlsdecrypt.app.page import MAX_TEXT, visible_text

FORBIDDEN = b"""<!DOCTYPE html><html><head><title>403.4 - Forbidden: SSL is required</title>
<style>p { color: red }</style><script>var a = "<b>";</script></head>
<body><h2>403.4 - Forbidden</h2><p>A &amp; B</p><!-- hidden --></body></html>"""


def _http(answer: bytes) -> dict[str, object]:
    scene = Scene()
    scene.dialogue([C(http_request("GET /owa/")), S(answer)])
    http: dict[str, object] = scene.analysis().conversations[0].exchanges[0].annotations["http"]
    return http


def test_the_text_and_the_sub_status_of_a_page_of_iis_are_told() -> None:
    http = _http(http_response("403 Forbidden", ["Content-Type: text/html"], FORBIDDEN))
    assert http["sub_status"] == "403.4"
    assert http["error_text"] == "403.4 - Forbidden: SSL is required 403.4 - Forbidden A & B"


def test_a_page_in_place_of_a_protocol_is_read_too() -> None:
    scene = Scene()
    page = http_response("200 OK", ["Content-Type: text/html; charset=utf-8"], b"<h1>Sign in</h1>")
    scene.dialogue([C(http_request("POST /ews/exchange.asmx", [], b"<a/>")), S(page)])
    http = scene.analysis().conversations[0].exchanges[0].annotations["http"]
    assert http["page_text"] == "Sign in"


@pytest.mark.parametrize("field", [b"<input type=password>", b"<INPUT id='a'\n TYPE = \"Password\" >"])
def test_a_field_for_a_password_is_told(field: bytes) -> None:
    page = b"<html><form>" + field + b"</form></html>"
    assert _http(http_response("403 Forbidden", ["Content-Type: text/html"], page))["asks_password"] is True


@pytest.mark.parametrize("field", [b"<input type=text>", b"<p>type=password</p>", b"<input name=type-password>"])
def test_other_fields_are_none_for_a_password(field: bytes) -> None:
    page = b"<html>" + field + b"</html>"
    assert "asks_password" not in _http(http_response("403 Forbidden", ["Content-Type: text/html"], page))


def test_a_page_of_a_success_is_not_read() -> None:
    assert "error_text" not in _http(http_response("200 OK", ["Content-Type: text/html"], FORBIDDEN))


def test_a_number_that_is_no_status_of_this_answer_is_no_sub_status() -> None:
    page = b"build 503.12 of 404.1"
    assert "sub_status" not in _http(http_response("500 Internal Server Error", ["Content-Type: text/html"], page))


@pytest.mark.parametrize("before", [0, MAX_TEXT - 10, MAX_TEXT + 1, 4 * MAX_TEXT])
def test_a_code_that_names_the_fault_is_kept_wherever_it_stands(before: int) -> None:
    page = b"x" * before + b" AADSTS50076 " + b"y" * MAX_TEXT
    text = str(_http(http_response("400 Bad Request", ["Content-Type: text/plain"], page))["error_text"])
    assert text.count("AADSTS50076") == 1
    assert len(text) <= MAX_TEXT + 20


def test_long_pages_are_cut() -> None:
    http = _http(http_response("500 Error", ["Content-Type: text/plain"], b"x" * 5_000))
    assert len(str(http["error_text"])) == MAX_TEXT


@pytest.mark.parametrize("page", ["<p>Zugriff verweigert</p>".encode("utf-16"), b"<p>Zugriff verweigert"])
def test_utf_16_and_broken_pages_are_read(page: bytes) -> None:
    assert visible_text(page) == "Zugriff verweigert"


@given(st.binary(max_size=400))
def test_no_page_is_too_broken(page: bytes) -> None:
    assert isinstance(visible_text(b"<" + page), str)
